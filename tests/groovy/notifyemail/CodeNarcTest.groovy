package notifyemail

import org.codenarc.CodeNarcRunner
import org.codenarc.analyzer.FilesystemSourceAnalyzer
import org.codenarc.results.Results
import org.junit.Test

/** The Groovy code obeys the rules in tests/groovy/codenarc.groovy, and vars/ and src/ those for the library. */
class CodeNarcTest {

    private static final String RULES = 'file:tests/groovy/codenarc.groovy'
    private static final String LIBRARY_RULES = 'file:tests/groovy/codenarc-library.groovy'

    @Test
    void 'no rule is violated'() {
        List<String> violations = []
        int files = 0
        ['vars', 'src', 'pyservice/setup/jenkins', 'tests/groovy'].each { folder ->
            Results results = check(folder in ['vars', 'src'] ? "${RULES},${LIBRARY_RULES}" : RULES, folder)
            files += results.getTotalNumberOfFiles(true)
            collect(folder, results, violations)
        }
        assert files > 30
        assert violations.empty : violations.join("")
    }

    @Test
    void 'a computed name is a violation'() {
        File folder = File.createTempDir('codenarc', '')
        List<String> wrong = [
            'object."#{name}"', 'object."#{name}"()', 'object[name]', 'object.metaClass', "object.invokeMethod('x', null)",
            'object.&toString', 'object.@field', 'object.class.forName(name)', 'object.getClass().name', 'object.getClass().getName()',
        ]
        List<String> right = ['map.get(name)', 'list[0].text', "object.toString()", "[a: 1].get('a')"]
        new File(folder, 'Dynamic.groovy').text = (wrong + right).join('\n').replace('#', '$')
        List<String> violations = []
        collect(folder.name, check(LIBRARY_RULES, folder.path), violations)
        folder.deleteDir()
        assert violations.collect { line -> (line =~ /groovy:(\d+)/)[0][1] as int } == (1..wrong.size()).toList()
    }

    private static Results check(String ruleSets, String folder) {
        CodeNarcRunner runner = new CodeNarcRunner(
            ruleSetFiles: ruleSets, sourceAnalyzer: new FilesystemSourceAnalyzer(baseDirectory: folder, includes: '**/*.groovy'),
        )
        // The default writer would write a report file.
        runner.reportWriters = []
        return runner.execute()
    }

    private void collect(String folder, Results results, List<String> violations) {
        if (results.file) {
            violations.addAll(results.violations.collect { violation ->
                "\n${folder}/${results.path}:${violation.lineNumber} ${violation.rule.name} ${violation.message ?: ''}".toString()
            })
        }
        results.children.each { child -> collect(folder, child, violations) }
    }

}
