package harness

import groovy.json.JsonOutput
import jenkins.model.Jenkins
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Runs a scripted Pipeline with this library, without Maven: for the testbed, and for people.
 *
 * After `mvn test-compile`:
 *
 *   java --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.util=ALL-UNNAMED \
 *     -cp target/test-classes:$(cat target/test-classpath.txt) harness.RunPipeline \
 *     --sample pyservice/samples/2-failure --trusted --pipeline FILE \
 *     [--global NAME=VALUE] [--env NAME=VALUE] [--credential ID=TOKEN]
 *
 * With `--inside 2-compile-error` in place of `--sample` the build is one that was recorded from inside.
 * Without `--trusted` the library is sandboxed. HTTP and shells are real. Prints one JSON object:
 * outcome, error, log, steps, mails, pendingApprovals, returned.
 */
class RunPipeline {

    static void main(String... arguments) {
        Map<String, List<String>> given = [:].withDefault { [] }
        String option = null
        for (argument in arguments) {
            if (argument.startsWith('--')) {
                option = argument.substring(2)
                given[option]
            } else {
                given[option] << argument
            }
        }
        Recording recording = given.inside ? Recording.inside(given.inside[0]) : Recording.load(new File(given.sample[0]))
        Controller controller = new Controller(recording, given.containsKey('trusted'))
        Jenkins.globalVariables = pairs(given.global)
        Jenkins.credentials = pairs(given.credential).collect { id, token -> new StoredCredential(id, token) }
        controller.variables.putAll([BUILD_URL: controller.build.url] + pairs(given.env))
        Map result = [outcome: 'SUCCESS', error: null, returned: null]
        try {
            result.returned = controller.run(new File(given.pipeline[0]).getText('UTF-8'))
        } catch (FlowInterruptedException e) {
            result.outcome = 'ABORTED'
            result.error = e.toString()
        } catch (Throwable e) {
            result.outcome = 'FAILURE'
            result.error = e.toString()
        }
        result += [log: controller.log, steps: controller.ran, mails: controller.steps.mails,
                   pendingApprovals: controller.sandbox.pending]
        println(JsonOutput.toJson(result))
    }

    private static Map<String, String> pairs(List<String> texts) {
        return texts.collectEntries { text -> text.split('=', 2) as List }
    }

}
