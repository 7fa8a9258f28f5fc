package notifyemail

import hudson.console.AnnotatedLargeText
import hudson.PluginManager
import org.junit.After
import org.junit.Test

/** What a trusted library reads of its build from inside, in builds that are unlike the recorded ones. */
class InsideTest extends PipelineTest {

    private static final String AGAIN = 'the same text again and again; '

    @After
    void bringPluginsBack() {
        PluginManager.absent = []
    }

    /** Return the report of a recorded build that a test has changed. */
    private Map reportOf(String name, String pipeline = 'notifyEmail()', Closure change) {
        startService()
        inside(name)
        change(controller.build.inside)
        assert controller.run("return ${pipeline}").state == 'received'
        nothingIsPending()
        Map report = report()
        stopService()
        return report
    }

    private static Map node(Map build, String id) {
        return build.nodes.find { node -> node.id == id }
    }

    private static void failLike(Map build, String id) {
        Map end = node(build, id)
        end.error = [type: 'hudson.AbortException', message: 'script returned exit code 1']
    }

    @Test
    void 'no Pipeline step is called, and the line is in the build log'() {
        inside('2-compile-error').run('notifyEmail()')
        assert controller.ran == []
        assert line().startsWith('notifyEmail: reported FAILURE to 1 recipient: ')
    }

    @Test
    void 'each part fails alone, and the report says which and why'() {
        Exception broken = new IllegalStateException('broken')
        Map<String, Closure> parts = [
            stages: { build -> build.nodes[5].parents = ['none'] },
            tests: { build -> build.tests.total = broken },
            culprits: { build -> build.people.culprits = broken },
            requestor: { build -> build.people.causes = broken },
            history: { build -> build.history.items = broken },
            checkouts: { build -> build.actions = broken },
            artifacts: { build -> build.artifacts = broken },
            log: { build -> build.logText = broken },
            warnings: { build -> build.nodes.find { node -> node.warning }.warning.message = broken },
            changes: { build -> build.changes = broken },
            branch: { build -> build.branch = broken },
        ]
        parts.each { part, change ->
            Map report = reportOf('3-tests-fail', change)
            assert part in report.missing*.part
            assert report.missing*.reason.every { reason -> reason }
            Set<String> others = ['stages', 'warnings', 'tests', 'artifacts', 'log'] - report.missing*.part as Set
            assert report.keySet().containsAll(others)
            assert report.complete
        }
    }

    @Test
    void 'what is read in the flow graph fails alone, and without the graph all of it is missing'() {
        Exception broken = new IllegalStateException('broken')
        Map noError = reportOf('2-compile-error') { build -> build.findOrigin = broken }
        assert noError.missing == [[part: 'error', reason: 'broken']]
        assert noError.stages.find { stage -> stage.name == 'Build' }.status == 'FAILURE'
        Map noCause = reportOf('13-aborted-by-user') { build ->
            build.nodes*.error.findAll { error -> error }.each { error -> error.causes[0].text = broken }
        }
        assert noCause.missing == [[part: 'interruption', reason: 'broken']]
        assert noCause.error.step.place == ['Test', 'integration', 'api']
        Map noGraph = reportOf('2-compile-error') { build -> build.nodes[5].parents = ['none'] }
        assert noGraph.missing*.part == ['error', 'stages', 'warnings']
        assert noGraph.changes.total == 1
    }

    @Test
    void 'a member that is null costs nothing else'() {
        Map report = reportOf('3-tests-fail') { build ->
            build.tests.failures[0].putAll(details: null, stack: null, suite: null, stage: null, className: null)
            build.changes[0].putAll(email: null, msg: null)
            build.actions.find { action -> action[0].endsWith('BuildData') }[3] = [null]
            build.nodes.each { node -> node.remove('warning')?.clear() }
        }
        assert !report.containsKey('missing')
        assert report.tests.failures == [[name: 'totals_are_rounded', class_name: '', age: 1, failed_since: 3, duration_ms: 200]]
        assert report.changes.items[0].author_email == 'cy@example.com'
        assert report.build.checkouts == [[url: 'https://git.example.com/shop.git', revision: report.build.checkouts[0].revision]]
    }

    @Test
    void 'without the plugins junit, git and scm-api the report has no such parts'() {
        PluginManager.absent = ['scm-api'] as Set
        Map report = reportOf('3-tests-fail') { build -> build.actions = [] }
        assert !report.containsKey('tests')
        assert !report.build.containsKey('checkouts')
        assert !report.build.containsKey('branch')
        assert !report.containsKey('missing')
    }

    @Test
    void 'of a log of 134 MB only the end is read'() {
        String line = AGAIN * 3 + 'ü\n'
        byte[] end = (line * 2000).getBytes('UTF-8')
        Map report = reportOf('2-compile-error') { build ->
            build.logText = new AnnotatedLargeText(end, 134_000_000L)
            node(build, '16').log = [text: new AnnotatedLargeText(end, 134_000_000L)]
        }
        assert report.log.every { text -> text == line.trim() }
        assert report.log.size() == 16384.intdiv(line.getBytes('UTF-8').length)
        Map step = report.error.step
        assert step.log_is_cut
        assert step.log.getBytes('UTF-8').length <= 65536
        assert step.log.startsWith(AGAIN) && step.log.endsWith('ü\n')
    }

    @Test
    void 'a log of very short lines is read to its end, and one long line is kept'() {
        byte[] lines = ('x\n' * 60000 + 'end\n').bytes
        byte[] oneLine = ('y' * 100000 + '\n').bytes
        Map report = reportOf('2-compile-error') { build ->
            build.logText = new AnnotatedLargeText(oneLine)
            node(build, '16').log = [text: new AnnotatedLargeText(lines)]
        }
        assert report.error.step.log.endsWith('x\nend\n')
        assert report.log == ['y' * 16383]
    }

    @Test
    void 'notes of Jenkins in a log are removed, and colours stay'() {
        String note = "\u001b[8mha:${'A' * 200}\u001b[0m"
        Map report = reportOf('2-compile-error') { build ->
            node(build, '16').log = [text: new AnnotatedLargeText("${note}+ gcc\n\u001b[31mred\u001b[0m\n".bytes)]
        }
        assert report.error.step.log == '+ gcc\n\u001b[31mred\u001b[0m\n'
        assert !report.error.step.log_is_cut
    }

    @Test
    void 'ten thousand failing tests and five thousand changes make a report that the service reads'() {
        Map report = reportOf('3-tests-fail') { build ->
            Map test = build.tests.failures[0] + [details: '漢' * 3000, stack: '字' * 9000]
            build.tests.putAll(total: 20000, failed: 10000, failures: [test] * 10000)
            build.changes = [build.changes[0] + [msg: '改' * 3000, paths: [['路' * 900, 'add']] * 80]] * 5000
            build.logText = new AnnotatedLargeText(('漢字\n' * 9000).getBytes('UTF-8'))
        }
        assert report.tests.failed == 10000
        assert report.changes.total == 5000
        assert report.missing*.part.unique() == ['log', 'tests', 'changes']
        assert !report.containsKey('log')
        assert groovy.json.JsonOutput.toJson(report).length() <= 921600
    }

    @Test
    void 'a report is cut in the order log, tests, changes, and only as far as it must be'() {
        Closure size = { Map report -> groovy.json.JsonOutput.toJson(report).length() }
        String log = '漢字\n' * 2700
        Closure whole = { build -> build.logText = new AnnotatedLargeText(log.getBytes('UTF-8')) }
        int rest = size(reportOf('3-tests-fail', whole))
        Closure filled = { int bytes ->
            return { build ->
                whole(build)
                // In ASCII six bytes a character: the tests, and with their stack traces the changes, too.
                build.tests.failures = [build.tests.failures[0] + [details: '漢' * 1000, stack: '字' * 1000]] * bytes.intdiv(12000)
            }
        }
        assert !reportOf('3-tests-fail', filled(921600 - rest - 50000)).containsKey('missing')
        Map noLog = reportOf('3-tests-fail', filled(921600 - rest + 20000))
        assert noLog.missing*.part == ['log']
        assert noLog.tests.failures.every { test -> test.stack_trace }
        Map noTraces = reportOf('3-tests-fail', filled(921600 + 60000))
        assert noTraces.missing*.part == ['log', 'tests']
        assert !noTraces.tests.failures.any { test -> test.stack_trace }
        assert noTraces.changes.items[0].files
    }

    @Test
    void 'whatever fills a report, it is small enough and keeps its error'() {
        String endless = '警' * 5000
        Map report = reportOf('2-compile-error') { build ->
            node(build, '16').arguments.script = endless
            build.nodes.addAll((1..120).collect { index ->
                [id: "${index + 1000}".toString(), kind: 'StepAtomNode', function: 'unstable', name: 'Warn', enclosing: '2', active: false,
                 parents: [index == 1 ? '122' : "${index + 999}".toString()], at: 1795950299000 + index,
                 warning: [result: 'UNSTABLE', message: endless]]
            })
            build.heads = ['1120']
            build.artifacts = [["${'道' * 1000}.txt".toString(), 1]] * 300
            build.people.culprits = (1..200).collect { index -> [id: "u${index}".toString(), name: '名' * 1000] }
            build.state.params = ['参' * 1000] * 100
            controller.build.set('description', endless)
        }
        assert groovy.json.JsonOutput.toJson(report).length() <= 921600
        assert report.missing*.part.containsAll(['log', 'changes', 'warnings', 'artifacts', 'culprits', 'parameters'])
        assert report.missing.toSet().size() == report.missing.size()
        assert report.error.step.command.length() == 4096
    }

    @Test
    void 'many tests and changes are cut to two hundred each'() {
        Map report = reportOf('3-tests-fail') { build ->
            build.tests.putAll(total: 20000, failed: 10000, failures: build.tests.failures * 10000)
            build.changes = build.changes * 5000
        }
        assert report.tests.failures.size() == 200
        assert report.changes.items.size() == 200
        assert !report.containsKey('missing')
    }

    @Test
    void 'a test has at most 2 KiB of text, and the history thirty builds'() {
        Map report = reportOf('3-tests-fail') { build ->
            build.tests.failures[0].putAll(details: 'm' * 3000, stack: 's' * 9000)
            build.history.items = (1..80).collect { index ->
                [n: 100 - index, r: 'FAILURE', t: 1795950000000 - index * 60000, d: 1000, building: false]
            }
        }
        Map test = report.tests.failures[0]
        assert test.message == 'm' * 1024
        assert test.stack_trace == 's' * 1024
        assert report.build.history.builds*.number == (99..70)
        Map brief = reportOf('3-tests-fail') { build -> build.tests.failures[0].putAll(details: 'm', stack: 's' * 9000) }
        assert brief.tests.failures[0].stack_trace.length() == 2047
    }

    @Test
    void 'of 25,000 flow nodes the newest are read, with the blocks around them'() {
        Map report = reportOf('2-compile-error') { build ->
            // Steps before the stage Build.
            List<Map> more = (1..25000).collect { index ->
                [id: "${index + 1000}".toString(), kind: 'StepAtomNode', function: 'echo', name: 'Print', enclosing: '120', active: false,
                 parents: [index == 1 ? '122' : "${index + 999}".toString()], at: 1795950299000 + index]
            }
            build.nodes.addAll(more)
            build.heads = [more.last().id]
        }
        assert report.missing[0].part == 'stages'
        assert report.missing[0].reason.contains('of which the newest 20000 were read')
        assert report.build.result == 'FAILURE'
    }

    @Test
    void 'a retry inside of a stage that fails in the end names the last try'() {
        Map report = reportOf('9-retry') { build ->
            build.state.result = 'FAILURE'
            controller.build.set('result', 'FAILURE')
            ['50', '53', '54', '55', '56', '57', '58', '59', '60', '61', '62', '63'].each { id ->
                Map end = node(build, id)
                end.error = [type: 'hudson.AbortException', message: 'script returned exit code 5']
            }
            build.nodes.removeAll { node -> node.id in ['51', '52'] }
            node(build, '53').parents = ['50']
        }
        assert report.error.step.id == '49'
        assert report.error.step.place == ['Test', 'integration', 'api']
        assert report.stages.find { stage -> stage.name == 'api' }.status == 'FAILURE'
    }

    @Test
    void 'a caught exception counts where it made the build fail, and not where the build is green'() {
        Map failed = reportOf('6-caught-error') { build -> controller.build.set('result', 'FAILURE') }
        assert failed.error.step.id == '46'
        Map green = reportOf('6-caught-error') { build -> controller.build.set('result', 'SUCCESS') }
        assert !green.containsKey('error')
        Map onlyTheStage = reportOf('6-caught-error') { build -> node(build, '47').warning.result = 'UNSTABLE' }
        assert onlyTheStage.stages.find { stage -> stage.name == 'api' }.status == 'UNSTABLE'
    }

    @Test
    void 'arguments of other steps are not sent, nor what Jenkins keeps in place of a long text'() {
        Map report = reportOf('2-compile-error') { build ->
            node(build, '16').putAll(function: 'withEnv', arguments: [overrides: '[TOKEN=s3cret]', script: 's3cret', label: 's3cret'])
        }
        assert !groovy.json.JsonOutput.toJson(report).contains('s3cret')
        Map oversize = reportOf('2-compile-error') { build -> node(build, '16').arguments = [script: 'OVERSIZE_VALUE'] }
        assert !oversize.error.step.containsKey('command')
    }

    @Test
    void 'user and password are cut out of URLs'() {
        Map report = reportOf('2-compile-error') { build ->
            String url = 'https://ada:s3cret@git.example.com/shop.git'
            node(build, '16').arguments.script = "git clone ${url} && curl 'http://s3cret@x.org/?to=a@b.org'".toString()
            node(build, '16').log = [text: new AnnotatedLargeText("+ git clone ${url}\n".bytes)]
            build.actions.findAll { action -> action[0].endsWith('BuildData') }[0][1] = [url]
            build.logText = new AnnotatedLargeText("cloning ${url}\n".bytes)
        }
        assert !groovy.json.JsonOutput.toJson(report).contains('s3cret')
        assert report.error.step.command == "git clone https://git.example.com/shop.git && curl 'http://x.org/?to=a@b.org'"
        assert report.build.checkouts[0].url == 'https://git.example.com/shop.git'
    }

    @Test
    void 'a change request of a fork says so'() {
        [(true): true, (false): false].each { fork, expected ->
            Map report = reportOf('20-multibranch') { build ->
                build.branch = [name: 'PR-12', changeRequest: [id: '12', target: 'main'], fork: fork]
            }
            assert report.build.branch == [name: 'PR-12', change_request: [id: '12', target: 'main', from_fork: expected]]
        }
    }

    @Test
    void 'a build that was restarted from a stage names it'() {
        Map report = reportOf('1-success') { build ->
            build.people.causes << [cls: 'org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause',
                                    text: 'Restarted from build #7, stage Deploy', number: 7, stage: 'Deploy']
        }
        assert report.build.restarted_from == 'Deploy'
        assert !report.build.containsKey('replayed_from')
    }

    @Test
    void 'who started the first of several builds is the requestor'() {
        Map report = reportOf('17-upstream-cause') { build ->
            build.people.causes[0].before = [new hudson.model.Cause.UserIdCause([user: 'ada', text: 'Started by user Ada'])]
        }
        assert report.build.requestor == [id: 'ada', name: 'ada', may_read: true]
    }

    @Test
    void 'the authors of the changes of all builds that led to this one are named, each once'() {
        Map report = reportOf('17-upstream-cause') { build ->
            Closure runOf = { String... ids ->
                [changeSets: [[items: ids.collect { id -> [author: controller.build.user(id)] }], [items: []]],
                 culprits: [controller.build.user('eve')]]
            }
            Map first = build.people.causes[0]
            Map deleted = first + [run: null, before: []]
            Map second = first + [run: runOf('cy', 'ada'), before: [new hudson.model.Cause.UpstreamCause(deleted)]]
            first.putAll(run: runOf('bo', 'cy'), before: [new hudson.model.Cause.UpstreamCause(second)])
        }
        assert report.build.upstream_culprits*.id == ['bo', 'cy', 'ada']
        assert report.build.upstream_culprits.every { person -> person.may_read }
        assert !report.containsKey('missing')
    }

    @Test
    void 'who stopped a build, and refused to go on, is named'() {
        ['13-aborted-by-user', '15-input-rejected'].each { name ->
            Map report = reportOf(name) { build ->
                build.nodes*.error.findAll { error -> error }.each { error -> error.causes[0].user = 'bo' }
            }
            assert report.build.interruption.user == [id: 'bo', name: 'bo', may_read: true] + report.build.interruption.user.subMap('email')
        }
        Map waiting = reportOf('1-success') { build ->
            controller.build.set('result', 'ABORTED')
            build.interrupted = [[['jenkins.model.CauseOfInterruption$UserInterruption', 'Aborted by Bo']]]
        }
        assert waiting.build.interruption.text == 'Aborted by Bo'
    }

    @Test
    void 'an address of a commit does not become that of a user who may read the job'() {
        Map report = reportOf('2-compile-error') { build ->
            build.changes[0].putAll(email: 'mallory@evil.example', resolved: 'bo@example.com')
        }
        assert report.changes.items[0].subMap('author_email', 'author_may_read') == [author_email: 'bo@example.com', author_may_read: true]
        Map stranger = reportOf('2-compile-error') { build ->
            controller.build.realm = [] as Set
            build.changes[0].email = 'mallory@evil.example'
        }
        assert stranger.changes.items[0].author_email == 'mallory@evil.example'
        assert !stranger.changes.items[0].containsKey('author_may_read')
    }

    @Test
    void 'of many people the first are looked up'() {
        Map report = reportOf('2-compile-error') { build ->
            controller.build.realm = (1..90).collect { index -> "user-${index}".toString() } as Set
            build.people.culprits = (1..90).collect { index -> [id: "user-${index}".toString(), mail: "u${index}@x.org".toString()] }
        }
        assert report.build.culprits.size() == 90
        assert report.build.culprits.count { person -> person.may_read } == 49
        assert report.missing*.part == ['people']
    }

    @Test
    void 'a lost answer is asked for once more, with the same key'() {
        startService()
        inside('2-compile-error')
        service.answers = [harness.FakeService.ACCEPTED + [cut: true], harness.FakeService.ACCEPTED]
        assert controller.run('return notifyEmail().state') == 'received'
        assert service.requests*.key.toSet().size() == 1
        assert service.requests.size() == 2
    }

    @Test
    void 'of parameters only the names are sent'() {
        Map report = reportOf('1-success') { build -> build.state.params = ['VERSION', 'PASSWORD'] }
        assert report.build.parameters == ['VERSION', 'PASSWORD']
    }

    @Test
    void 'a failing step of Declarative\'s own stage is shown, and its stages are not where they passed'() {
        Map report = reportOf('2-compile-error') { build ->
            failLike(build, '8')
            node(build, '7').error = [type: 'hudson.AbortException', message: 'Could not resolve host']
            node(build, '8').error.message = 'Could not resolve host'
        }
        assert report.stages[0].name == 'Declarative: Checkout SCM'
        assert report.stages[0].status == 'FAILURE'
        assert !('Declarative: Checkout SCM' in reportOf('1-success') { }.stages*.name)
    }

    @Test
    void 'names in other scripts are sent as they are'() {
        Map report = reportOf('2-compile-error') { build ->
            node(build, '15').label = 'Сборка 漢字 🚀'
            node(build, '16').arguments.script = 'echo "Größe"'
        }
        assert report.error.step.place == ['Сборка 漢字 🚀']
        assert report.error.step.command == 'echo "Größe"'
    }

    @Test
    void 'an exception that the author hands over is looked for in the graph'() {
        Map report = reportOf('24-caught-then-fails', 'notifyEmail(error: error)') { build ->
            controller.given.error = new IllegalStateException('Release failed: script returned exit code 6')
        }
        assert report.error.step.id == '13'
        Map other = reportOf('24-caught-then-fails', 'notifyEmail(error: error)') { build ->
            controller.given.error = new IllegalStateException('no such thing')
        }
        assert other.error == [type: 'java.lang.IllegalStateException', message: 'no such thing']
    }

    @Test
    void 'the key of a call changes with the place in the Pipeline and with the arguments, and not with the log'() {
        List<String> keys = [
            { build -> }, { build -> build.logText = new AnnotatedLargeText('more\n'.bytes) }, { build -> build.heads = ['118'] },
        ].collect { change -> keyOf('notifyEmail()', change) } + [keyOf("notifyEmail(to: 'a@x.org')") { }, keyOf('notifyEmail()') { }]
        assert keys[0] ==~ '[0-9a-f]{64}'
        assert keys[1] == keys[0]
        assert keys[4] == keys[0]
        assert keys.toSet().size() == 3
    }

    @Test
    void 'the key of a call changes with each argument that changes the mail, with the error and with the build'() {
        List<String> calls = [
            '', "to: 'a@x.org'", "cc: 'a@x.org'", "bcc: 'a@x.org'", "replyTo: 'a@x.org'", "recipients: 'developers'", "from: 'a@x.org'",
            "subject: 's'", "body: 'b'", "attach: '*.txt'", 'attachLog: true', "template: 't'", 'data: [n: 1]', 'dryRun: true',
            "error: new Exception('one')", "error: new Exception('two')",
        ].collect { arguments -> "notifyEmail(${arguments})".toString() }
        List<String> keys = calls.collect { call -> keyOf(call) { } }
        keys << keyOf('notifyEmail()') { controller.build.set('number', 77) }
        keys << keyOf('notifyEmail()') { controller.build.set('startTimeInMillis', 1L) }
        keys << keyOf('notifyEmail()') { controller.build.set('fullProjectName', 'other') }
        assert keys.toSet().size() == keys.size()
        assert keyOf(calls[14]) { } == keys[14]
    }

    private String keyOf(String pipeline, Closure change) {
        startService()
        inside('2-compile-error')
        change(controller.build.inside)
        controller.run(pipeline)
        String key = service.requests[0].key
        stopService()
        return key
    }

    @Test
    void 'a library that is sandboxed sends schema 2 without the facts from inside'() {
        startService()
        controller(sandboxed).run('notifyEmail()')
        assert report().schema == 2
        assert !report().containsKey('complete')
        assert service.requests[0].key == null
    }

}
