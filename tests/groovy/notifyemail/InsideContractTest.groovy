package notifyemail

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import harness.Recording
import org.jenkinsci.plugins.workflow.actions.ErrorAction
import org.jenkinsci.plugins.workflow.cps.CpsThread
import org.junit.Test

/**
 * A trusted library sends exactly the reports in tests/contract/inside-*.json of the builds in tests/recordings/inside.
 *
 * `mvn test -Dtest=InsideContractTest -Dcontract.update=true` writes these files again.
 */
class InsideContractTest extends PipelineTest {

    @Test
    void 'every build that was recorded from inside'() {
        List<String> files = new File('tests/recordings/inside').list().findAll { name -> name.endsWith('.json') }
        assert files.size() == 32
        assert files.findAll { file -> !isSent(file - '.json') } == []
    }

    @Test
    void 'the doubles say what Jenkins said'() {
        new File('tests/recordings/inside').list().findAll { name -> name.endsWith('.json') }.each { file ->
            Recording build = inside(file - '.json').build
            Throwable error = exception(build)
            if (build.inside.origin) {
                assert ErrorAction.findOrigin(error, CpsThread.current().execution).id == build.inside.origin
            }
            assert build.graph.nodes.values().every { node -> (node.error?.error?.message) == recorded(build, node.id).error?.message }
            ByteArrayOutputStream log = new ByteArrayOutputStream()
            build.graph.wholeLog().writeLogTo(0, log)
            List<String> lines = log.toString('UTF-8').readLines()
            // What the sandbox says of a refusal is in no node's log.
            assert lines.containsAll(build.inside.log.last.findAll { line -> !line.startsWith('Scripts not permitted') }) : file
        }
    }

    private static Map recorded(Recording build, String id) {
        return build.inside.nodes.find { node -> node.id == id }
    }

    private boolean isSent(String name) {
        startService()
        inside(name)
        controller.given.error = exception(controller.build)
        controller.run('notifyEmail(error: error)')
        nothingIsPending()
        Map report = report()
        stopService()
        File file = new File("tests/contract/inside-${name}.json")
        if (System.getProperty('contract.update') == 'true') {
            file.setText(JsonOutput.prettyPrint(JsonOutput.toJson(report)) + '\n', 'UTF-8')
        }
        return file.exists() && new JsonSlurper().parse(file, 'UTF-8') == report
    }

    /** Return the exception that the Pipeline has caught and hands over, where it was recorded in `catch`; null: elsewhere. */
    private static Throwable exception(Recording build) {
        Map thrown = build.inside.thrown ?: build.inside.nodes.last().error
        return thrown == null ? null : build.graph.heads[0].error?.error
    }

}
