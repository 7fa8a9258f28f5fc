package notifyemail

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/**
 * The step sends exactly the reports in tests/contract, which the Python tests accept and render.
 *
 * `mvn test -Dtest=ContractTest -Dcontract.update=true` writes these files again.
 */
class ContractTest extends PipelineTest {

    private static final File FOLDER = new File('tests/contract')

    /** Check that the Pipeline sends the report in the file with a sandboxed library, and with a trusted one the same and more. */
    private void sends(String name, String sample, String pipeline, Closure change = { }) {
        List<Map> sent = [true, false].collect { trust ->
            controller(trust, sample)
            change()
            try {
                controller.run(pipeline)
            } catch (Throwable expected) {
                assert pipeline.contains('error') || pipeline.contains('input')
            }
            nothingIsPending()
            return service.reports.last()
        }
        Map trusted = sent[0]
        Map sandboxed = sent[1]
        // What the sandbox lets a library see is in both. Of changes a trusted library sees more.
        assert trusted.subMap(sandboxed.keySet() - ['build', 'changes']) == sandboxed.subMap(sandboxed.keySet() - ['build', 'changes'])
        assert trusted.build.subMap(sandboxed.build.keySet()) == sandboxed.build
        assert trusted.changes.items*.id == sandboxed.changes.items*.id
        assert trusted.complete && !sandboxed.containsKey('complete')
        File file = new File(FOLDER, "${name}.json")
        if (System.getProperty('contract.update') == 'true') {
            file.setText(JsonOutput.prettyPrint(JsonOutput.toJson(sandboxed)) + '\n', 'UTF-8')
        }
        assert new JsonSlurper().parse(file, 'UTF-8') == sandboxed
    }

    @Test
    void 'every recorded build'() {
        new File('pyservice/samples').listFiles().findAll { folder -> new File(folder, 'build.json').exists() }.each { folder ->
            sends("declarative-${folder.name}", folder.name, 'notifyEmail()')
        }
    }

    @Test
    void 'a scripted error'() {
        sends('scripted-error', '2-failure', "stage('Package') { try { error 'no disk' } catch (e) { notifyEmail(error: e) } }") {
            controller.build.set('result', 'SUCCESS')
        }
    }

    @Test
    void 'an aborted body'() {
        sends('wrapper-aborted', '7-aborted-by-user', 'notifyEmail { input() }') {
            controller.steps.instead.input = { throw new FlowInterruptedException('Aborted by Ada Example') }
        }
    }

    @Test
    void 'all arguments'() {
        sends('all-arguments', '4-fixed', '''notifyEmail(
            to: ['ada@example.com', 'Bo Öberg <bo@example.com>'], cc: 'cy@example.com, dee@example.com', bcc: 'eve@example.com',
            replyTo: 'team@example.com', subject: 'Release 1.4.2 » done', template: 'build',
            data: [version: '1.4.2', notes: ['a', 'b'], count: 3, draft: false, nothing: null], timeout: 5, failOnError: true)''')
    }

    @Test
    void 'a dry run'() {
        sends('quiet-dry-run', '2-failure', "notifyEmail(to: 'ada@example.com', dryRun: true)")
    }

    @Test
    void 'a controller without a URL'() {
        sends('no-jenkins-url', '3-unstable', 'notifyEmail()') { controller.build.url = null }
    }

    @Test
    void 'names with special characters'() {
        sends('nasty-names', '2-failure', 'notifyEmail(subject: "a\\r\\nBcc: evil@example.com =?utf-8?q?x?=")') {
            String nasty = ('漢"/\\\'<' * 84).take(500)
            controller.build.set('fullProjectName', nasty)
            controller.build.set('fullDisplayName', nasty + ' #2')
            controller.build.url = "https://ci.example.com/job/${URLEncoder.encode(nasty, 'UTF-8')}/2/"
            controller.build.set('description', '<script>alert(1)</script>\u0000\u001b[31m\ud83d')
        }
    }

}
