package harness

import groovy.json.JsonOutput
import hudson.console.AnnotatedLargeText
import jenkins.model.Jenkins

/**
 * Reports a storm, without Maven: builds of many jobs of a team that fail since one host is gone, each by the step in a
 * trusted library. The builds are a recorded Declarative one; what differs are job, number, times, agent, commit, the
 * failing command and its log.
 *
 * After `mvn test-compile`, with the options of Java that RunPipeline names:
 *
 *   java … harness.Storm URL COUNT LOG…
 *
 * A log is a file; the builds take them in turn. Prints a JSON list of what the step returned.
 */
class Storm {

    private static final long START = 1_795_950_000_000
    private static final int FAILING = 16

    static void main(String... arguments) {
        List<String> logs = arguments.drop(2).collect { file -> new File(file).getText('UTF-8') }
        List results = (1..(arguments[1] as int)).collect { number ->
            Recording build = recorded(number, logs[number % logs.size()])
            Controller controller = new Controller(build, true)
            Jenkins.globalVariables = [NOTIFY_EMAIL_URL: arguments[0]]
            controller.run("return notifyEmail(to: 'team@example.com')")
        }
        println(JsonOutput.toJson(results))
    }

    private static Recording recorded(int number, String log) {
        Recording build = Recording.inside('2-compile-error')
        String job = "team/service-${number}"
        long start = START + number * 61_001
        build.url = "https://ci.example.com/job/team/job/service-${number}/${number}/"
        build.set('fullProjectName', job)
        build.set('number', number)
        build.set('fullDisplayName', "${job} #${number}".toString())
        build.set('startTimeInMillis', start)
        build.inside.changes[0].id = String.format('%040x', number)
        long moved = start - (build.inside.nodes[0].at as long)
        build.inside.nodes.each { node ->
            node.at = (node.at as long) + moved
            if (node.function == 'node' && node.kind == 'StepStartNode') {
                node.workspace = [node: "agent-${number % 7}".toString(), path: "/workspace/${job}".toString(), labels: ['linux']]
            }
        }
        Map failing = build.inside.nodes.find { node -> node.id == "${FAILING}" }
        failing.arguments.script = "make ${number}".toString()
        String text = "[2026-11-30T10:${String.format('%02d', number % 60)}:07.123Z] + make\n" +
            log.replace('/workspace/', "/workspace/${job}@${number % 3}/")
        failing.log = [text: new AnnotatedLargeText(text.getBytes('UTF-8'))]
        return build
    }

}
