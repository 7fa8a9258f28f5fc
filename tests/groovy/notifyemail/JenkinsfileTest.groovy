package notifyemail

import com.lesfurets.jenkins.unit.BasePipelineTest
import org.junit.Before
import org.junit.Test

/** Runs the project's own Jenkinsfile with JenkinsPipelineUnit, the Declarative sections as plain closures. */
class JenkinsfileTest extends BasePipelineTest {

    @Override
    @Before
    void setUp() {
        scriptRoots = ['.']
        scriptExtension = ''
        super.setUp()
        ['pipeline', 'options', 'stages', 'steps', 'post', 'always', 'cleanup'].each { section ->
            helper.registerAllowedMethod(section, [Closure]) { Closure body -> body() }
        }
        helper.registerAllowedMethod('stage', [String, Closure]) { String name, Closure body -> body() }
        ['agent', 'sh', 'legacySCM'].each { step -> helper.registerAllowedMethod(step, [Object]) { argument -> argument } }
        ['library', 'timeout', 'disableConcurrentBuilds', 'junit', 'archiveArtifacts'].each { step ->
            helper.registerAllowedMethod(step, [Map]) { arguments -> arguments }
        }
        helper.registerAllowedMethod('notifyEmail', []) { }
        binding.setVariable('any', 'any')
        binding.setVariable('scm', 'this very commit')
    }

    @Test
    void 'it loads its own commit, runs all tests, archives the results and mails last'() {
        runScript('Jenkinsfile')
        List<String> calls = helper.callStack*.toString()*.trim()
        List<Integer> order = ['library(', 'sh(make test)', 'junit(', 'archiveArtifacts(', 'notifyEmail('].collect { wanted ->
            calls.findIndexOf { call -> call.contains(wanted) }
        }
        assert order.every { index -> index >= 0 }
        assert order == order.sort(false)
        assert calls.any { call -> call.contains('library(') && call.contains('this very commit') }
        assert calls.last().contains('notifyEmail(')
    }

}
