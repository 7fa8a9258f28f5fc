package notifyemail

import org.codenarc.CodeNarcRunner
import org.codenarc.analyzer.FilesystemSourceAnalyzer
import org.codenarc.results.Results
import org.junit.Test

/** The Groovy code keeps to its rules: tests/groovy/codenarc.groovy. */
class CodeNarcTest {

    @Test
    void 'no rule is violated'() {
        List<String> found = []
        int files = 0
        ['vars', 'src', 'pyservice/configurator/jenkins', 'tests/groovy'].each { folder ->
            CodeNarcRunner runner = new CodeNarcRunner(
                ruleSetFiles: 'file:tests/groovy/codenarc.groovy',
                sourceAnalyzer: new FilesystemSourceAnalyzer(baseDirectory: folder, includes: '**/*.groovy'),
            )
            // Without it CodeNarc would write a report file.
            runner.reportWriters = []
            Results results = runner.execute()
            files += results.getTotalNumberOfFiles(true)
            collect(folder, results, found)
        }
        assert files > 30
        assert found.empty : found.join("")
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
