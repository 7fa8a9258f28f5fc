package notifyemail

import org.codenarc.CodeNarcRunner
import org.codenarc.analyzer.FilesystemSourceAnalyzer
import org.codenarc.results.Results
import org.junit.Test

/** The Groovy code keeps to its rules: tests/groovy/codenarc.groovy. */
class CodeNarcTest {

    private static final String RULES = 'file:tests/groovy/codenarc.groovy'
    private static final String LIBRARY_RULES = 'file:tests/groovy/codenarc-library.groovy'

    @Test
    void 'no rule is violated'() {
        List<String> found = []
        int files = 0
        ['vars', 'src', 'pyservice/setup/jenkins', 'tests/groovy'].each { folder ->
            Results results = check(folder in ['vars', 'src'] ? "${RULES},${LIBRARY_RULES}" : RULES, folder)
            files += results.getTotalNumberOfFiles(true)
            collect(folder, results, found)
        }
        assert files > 30
        assert found.empty : found.join("")
    }

    @Test
    void 'a name that is computed is a violation'() {
        File folder = File.createTempDir('codenarc', '')
        List<String> wrong = [
            'object."#{name}"', 'object."#{name}"()', 'object[name]', 'object.metaClass', "object.invokeMethod('x', null)",
            'object.&toString', 'object.@field', 'object.class.forName(name)', 'object.getClass().name', 'object.getClass().getName()',
        ]
        List<String> right = ['map.get(name)', 'list[0].text', "object.toString()", "[a: 1].get('a')"]
        new File(folder, 'Dynamic.groovy').text = (wrong + right).join('\n').replace('#', '$')
        List<String> found = []
        collect(folder.name, check(LIBRARY_RULES, folder.path), found)
        folder.deleteDir()
        assert found.collect { line -> (line =~ /groovy:(\d+)/)[0][1] as int } == (1..wrong.size()).toList()
    }

    private static Results check(String ruleSets, String folder) {
        CodeNarcRunner runner = new CodeNarcRunner(
            ruleSetFiles: ruleSets, sourceAnalyzer: new FilesystemSourceAnalyzer(baseDirectory: folder, includes: '**/*.groovy'),
        )
        // Without it CodeNarc would write a report file.
        runner.reportWriters = []
        return runner.execute()
    }

    private void collect(String folder, Results results, List<String> found) {
        if (results.file) {
            found.addAll(results.violations.collect { violation ->
                "\n${folder}/${results.path}:${violation.lineNumber} ${violation.rule.name} ${violation.message ?: ''}".toString()
            })
        }
        results.children.each { child -> collect(folder, child, found) }
    }

}
