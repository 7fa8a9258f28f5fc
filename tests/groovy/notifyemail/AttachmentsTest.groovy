package notifyemail

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import hudson.console.AnnotatedLargeText
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

import java.nio.file.Files

/** `attach` and `attachLog`: a trusted library sends files of its own build within the report. */
class AttachmentsTest extends PipelineTest {

    private static final int MAX_BYTES = 3 * 1024 * 1024

    @Rule
    public final TemporaryFolder folder = new TemporaryFolder()

    private File archive(String path, byte[] bytes = 'content'.bytes) {
        File file = new File(folder.root, "archive/${path}")
        file.parentFile.mkdirs()
        file.bytes = bytes
        return file
    }

    /** Return the report of a build with the archived files. */
    private Map reportOf(String arguments, Closure change = { build -> }) {
        inside('2-compile-error')
        new File(folder.root, 'archive').mkdirs()
        controller.build.inside.artifactsFolder = new File(folder.root, 'archive')
        change(controller.build.inside)
        assert controller.run("return notifyEmail(${arguments})").state == 'received'
        assert controller.ran == []
        nothingIsPending()
        return service.reports.last()
    }

    private static Map<String, byte[]> files(Map report) {
        return (report.attachments ?: []).collectEntries { file -> [file.name, Base64.decoder.decode(file.content)] }
    }

    @Test
    void 'files that a pattern matches are sent with the report, byte for byte'() {
        byte[] binary = (0..255).collect { number -> (byte) number } as byte[]
        archive('reports/a b.bin', binary)
        archive('reports/deep/c.txt')
        archive('other.txt')
        Map report = reportOf("attach: 'reports/**'")
        assert files(report).keySet() as List == ['reports/a b.bin', 'reports/deep/c.txt']
        assert files(report)['reports/a b.bin'] == binary
        assert report.mail.attach == ['reports/**']
        assert !report.containsKey('not_attached')
        assert !report.containsKey('missing')
        assert files(reportOf("attach: ['other.*', ' reports/*.bin,other.txt']")).keySet() as List == ['other.txt', 'reports/a b.bin']
    }

    @Test
    void 'a pattern that matches nothing is named'() {
        archive('a.txt')
        Map report = reportOf("attach: '*.txt, *.pdf'")
        assert files(report).keySet() == ['a.txt'] as Set
        assert report.missing == [[part: 'attach', reason: 'no archived artifact matches *.pdf']]
    }

    @Test
    void 'a build without wishes sends no file'() {
        archive('a.txt')
        assert !reportOf('').containsKey('attachments')
        assert !reportOf('attachLog: false').mail.containsKey('attach_log')
    }

    @Test
    void 'symbolic links are not followed, neither to files nor to folders'() {
        File secret = folder.newFile('secret')
        secret.text = 'secret'
        archive('real.txt')
        File links = new File(folder.root, 'archive')
        Files.createSymbolicLink(new File(links, 'link.txt').toPath(), secret.toPath())
        Files.createSymbolicLink(new File(links, 'link').toPath(), folder.root.toPath())
        Map report = reportOf("attach: '*.txt, link/secret'")
        assert files(report).keySet() == ['real.txt'] as Set
        assert report.not_attached*.name == ['link.txt', 'link/secret']
        assert report.not_attached*.reason.every { reason -> reason.contains('symbolic links are not followed') }
        assert !service.requests.last().body.contains(secret.bytes.encodeBase64().toString())
    }

    @Test
    void 'what does not fit into 3 MiB is named with its size'() {
        archive('a.bin', new byte[MAX_BYTES - 10])
        archive('b.bin', new byte[11])
        archive('c.bin', new byte[10])
        Map report = reportOf("attach: '*.bin'")
        assert files(report).keySet() as List == ['a.bin', 'c.bin']
        assert report.not_attached == [[name: 'b.bin', size_bytes: 11, reason: 'the attachments would have more than 3 MiB together']]
        assert service.requests.last().body.length() < 5 * 1024 * 1024
    }

    @Test
    void 'at most twenty files are attached, twenty more are named, and the others counted'() {
        (1..45).each { number -> archive(String.format('%02d.txt', number)) }
        Map report = reportOf("attach: '**'")
        assert files(report).size() == 20
        assert report.not_attached.size() == 20
        assert report.not_attached*.reason.unique() == ['at most 20 files are attached']
        assert report.missing == [[part: 'attach', reason: '5 more artifacts match']]
    }

    @Test
    void 'the last mebibyte of the log is attached, without the notes of Jenkins'() {
        byte[] log = (('\u001b[8mha:xyz\u001b[0mline\n' * 100000) + 'über\n').getBytes('UTF-8')
        Map report = reportOf('attachLog: true') { build -> build.logText = new AnnotatedLargeText(log, 134_000_000L) }
        Map file = report.attachments[0]
        assert report.attachments.size() == 1
        assert file.subMap(['name', 'is_log']) == [name: 'build.log', is_log: true]
        String text = new String(Base64.decoder.decode(file.content), 'UTF-8')
        assert text.endsWith('line\nüber\n')
        assert text.startsWith('line\n')
        assert !text.contains('\u001b')
        assert text.length() <= 1024 * 1024
        assert report.mail.attach_log == true
    }

    @Test
    void 'a log of empty lines is read to its end'() {
        byte[] log = ('\n' * 1_200_000 + 'end\n').bytes
        Map report = reportOf('attachLog: true') { build -> build.logText = new AnnotatedLargeText(log) }
        assert new String(files(report)['build.log'], 'UTF-8').endsWith('\nend\n')
    }

    @Test
    void 'files that can not be read cost the files only'() {
        Exception broken = new IllegalStateException('broken')
        Map report = reportOf("attach: '*', attachLog: true") { build -> build.putAll(artifactsFolder: broken, logText: broken) }
        assert !report.containsKey('attachments')
        assert report.missing*.part.containsAll(['attach', 'attachLog'])
        assert report.stages
    }

    @Test
    void 'a wrong pattern fails the build with a sentence'() {
        inside('2-compile-error')
        String tooMany = "['" + (1..21).join("', '") + "']"
        ["'../x'", "'a/../b'", "'/etc/*'", "[1]", "true", "'a\\\\b'", tooMany].each { pattern ->
            assert failure("notifyEmail(attach: ${pattern})").message.startsWith(
                "notifyEmail: attach takes patterns of archived artifacts without '..', such as 'reports/*.pdf'") : pattern
        }
        assert failure('notifyEmail(attachLog: 1)').message == 'notifyEmail: attachLog takes true or false.'
        assert service.requests == []
    }

    @Test
    void 'a Jenkinsfile that goes round the step reads no other folder'() {
        archive('a.txt')
        folder.newFile('secret.txt')
        inside('2-compile-error')
        controller.build.inside.artifactsFolder = new File(folder.root, 'archive')
        controller.run("notifyemail.transport.ControllerTransport.send([attach: ['../*', '*.txt'], attach_log: 'yes'], null)")
        assert !service.reports.last().containsKey('attachments')
    }

    @Test
    void 'a sandboxed library sends what is wanted, and no file'() {
        controller(sandboxed)
        controller.steps.instead.httpRequest = null
        controller.run("node { notifyEmail(attach: '*.txt', attachLog: true) }")
        assert report().mail.subMap(['attach', 'attach_log']) == [attach: ['*.txt'], attach_log: true]
        assert !report().containsKey('attachments')
    }

    /** `-Dcontract.update=true` writes the file again. */
    @Test
    void 'the report with attachments is that of the contract'() {
        archive('reports/summary.txt', 'All 12 checks of the amount failed: größer als 5 €\n'.getBytes('UTF-8'))
        archive('reports/chart.html', '<p>chart</p>'.bytes)
        archive('reports/big.zip', new byte[MAX_BYTES + 1])
        Map report = reportOf("attach: 'reports/*', attachLog: true")
        File file = new File('tests/contract/inside-attach.json')
        if (System.getProperty('contract.update') == 'true') {
            file.setText(JsonOutput.prettyPrint(JsonOutput.toJson(report)) + '\n', 'UTF-8')
        }
        assert new JsonSlurper().parse(file, 'UTF-8') == report
    }

}
