package notifyemail

import groovy.json.JsonOutput
import harness.FakeService
import hudson.AbortException
import jenkins.model.Jenkins
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** The ways to the service, how each one fails, and what the build's author reads then. */
class TransportsTest extends PipelineTest {

    private static final String IN_NODE = "node('agent-7') { %s }"

    /** The four ways: trust, the step, and which machine tries. */
    private static final List<Map> WAYS = [
        [trusted: true, pipeline: 'return notifyEmail()', machine: 'the controller'],
        [trusted: false, pipeline: 'return notifyEmail()', machine: 'the controller'],
        [trusted: false, pipeline: "node('agent-7') { return notifyEmail() }", machine: 'agent agent-7'],
        [trusted: false, pipeline: "node('agent-7') { return notifyEmail(transport: 'shell') }", machine: 'agent agent-7'],
        [trusted: true, pipeline: "node('agent-7') { return notifyEmail(transport: 'httpRequest') }", machine: 'agent agent-7'],
    ]

    private void everyWay(Closure test) {
        WAYS.each { way ->
            startService()
            controller(way.trusted)
            test(way)
            nothingIsPending()
            stopService()
        }
    }

    /** The one line of the step's; a shell shows its first command before it. */
    private String told() {
        assert controller.log.findAll { text -> text.startsWith('notifyEmail: ') }.size() == 1
        assert controller.log - ['+ set +x'] == [controller.log.last()]
        return controller.log.last()
    }

    @Test
    void 'each way brings the same report'() {
        List<Map> reports = []
        everyWay { way ->
            assert controller.run(way.pipeline).state == 'received'
            assert service.requests[0].path == '/v1/reports'
            assert service.requests[0].method == 'POST'
            assert service.requests[0].type == 'application/json'
            assert service.requests[0].authorization == null
            reports << service.reports[0]
        }
        assert reports.toSet().size() == 1
    }

    @Test
    void 'each way carries the token, and shows it nowhere'() {
        WAYS.each { way ->
            startService()
            controller(way.trusted)
            store('notify-email-token', 'ne_secret-token')
            controller.variables.NOTIFY_EMAIL_CREDENTIALS_ID = 'notify-email-token'
            Map answer = controller.run(way.pipeline)
            String sent = service.requests[0].authorization
            String basic = 'Basic ' + 'jenkins:ne_secret-token'.bytes.encodeBase64()
            assert sent == 'Bearer ne_secret-token' || sent == basic
            assert !(controller.log.join('\n') + answer).contains('ne_secret-token')
            nothingIsPending()
            stopService()
        }
    }

    @Test
    void 'nobody listens: told with the machine and the cure, and mailed by Jenkins itself'() {
        everyWay { way ->
            service.close()
            Map answer = controller.run(way.pipeline)
            assert answer.state == 'mailed'
            assert told().startsWith("notifyEmail: ${way.machine} tried: connection refused at ${service.url}: start it")
            assert told().endsWith("Jenkins' own mail step sent a short mail instead.")
            assert answer.error == told()
            Map mail = controller.steps.mails[0]
            assert controller.steps.mails.size() == 1
            assert mail.to == 'team@example.com'
            assert mail.subject == 'FAILURE: shop » checkout #2'
            assert mail.body.contains('https://ci.example.com/job/shop/job/checkout/2/')
            assert controller.build.of('result') == 'FAILURE'
        }
    }

    @Test
    void 'a token is wanted, a slow network, a proxy or a service in need: mailed by Jenkins itself'() {
        [401: 'wants a token (401)', 408: 'did not get the whole report in time (408): Slow down.',
         429: 'takes no more requests now (429)', 500: "can't take it (500)", 503: "can't take it now (503): Slow down.",
         302: 'answered 302 and no report', 404: 'answered 404 and no report', 403: 'answered 403 and no report',
         413: 'answered 413 and no report'].each { status, words ->
            everyWay { way ->
                service.answers = [[status: status, body: '{"detail": "Slow down."}', headers: [Location: "${service.url}/x".toString()]]]
                assert controller.run(way.pipeline).state == 'mailed'
                assert told().contains(words)
                assert controller.steps.mails.size() == 1
                assert service.requests.size() == 1
            }
        }
    }

    @Test
    void 'policy and mistakes are told, and not circumvented'() {
        [400, 403, 409, 413, 415, 421, 422].each { status ->
            everyWay { way ->
                service.answers = [[status: status, body: JsonOutput.toJson(status: status, detail: 'The recipients are\nnot valid.',
                    errors: [[pointer: '/mail/to/0', detail: "'x' is no mail address"]])]]
                Map answer = controller.run(way.pipeline)
                assert answer.state == 'refused'
                assert told() == "notifyEmail: ${service.url} refused the report (${status}): The recipients are not valid. " +
                    "/mail/to/0: 'x' is no mail address."
                assert controller.steps.mails == []
            }
        }
    }

    @Test
    void "a token's rate is told in the service's words, and not circumvented"() {
        everyWay { way ->
            service.answers = [[status: 429, headers: ['Retry-After': '30'], body: JsonOutput.toJson(status: 429,
                detail: 'This token sends at most 100 reports per hour, and they are used up. Try again in 30 s.')]]
            Map answer = controller.run(way.pipeline)
            assert answer.state == 'refused'
            assert answer.error == told()
            assert told() == "notifyEmail: ${service.url} takes no more reports from here now (429): " +
                'This token sends at most 100 reports per hour, and they are used up. Try again in 30 s.'
            assert controller.steps.mails == []
            assert service.requests.size() == 1
        }
    }

    @Test
    void 'an answer that comes too late: asked once more, then "may be doubled"'() {
        everyWay { way ->
            service.answers = [[status: 202, body: FakeService.ACCEPTED.body, delay: 3000]]
            Map answer = controller.run(way.pipeline.replace('notifyEmail()', 'notifyEmail(timeout: 1)')
                .replace("'shell')", "'shell', timeout: 1)").replace("'httpRequest')", "'httpRequest', timeout: 1)"))
            assert answer.state == 'mailed'
            assert service.requests.size() == 2
            assert service.requests[0].body == service.requests[1].body
            assert told().contains('It may be doubled.')
        }
    }

    @Test
    void 'an answer that comes the second time is the first mail'() {
        everyWay { way ->
            service.answers = [FakeService.ACCEPTED + [delay: 3000], FakeService.ACCEPTED + [status: 200]]
            Map answer = controller.run(way.pipeline.replace('notifyEmail()', 'notifyEmail(timeout: 1)')
                .replace("'shell')", "'shell', timeout: 1)").replace("'httpRequest')", "'httpRequest', timeout: 1)"))
            assert answer.state == 'received'
            assert answer.error == null
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'an unknown host'() {
        everyWay { way ->
            Jenkins.globalVariables.NOTIFY_EMAIL_URL = 'http://no-such-host.invalid:8525'
            assert controller.run(way.pipeline).state == 'mailed'
            assert told().contains('unknown host in http://no-such-host.invalid:8525')
        }
    }

    @Test
    void 'no address at all'() {
        everyWay { way ->
            Jenkins.globalVariables.remove('NOTIFY_EMAIL_URL')
            assert controller.run(way.pipeline).state == 'mailed'
            assert told().contains('set the global variable NOTIFY_EMAIL_URL')
        }
    }

    @Test
    void 'an address with blanks and slashes around it is good enough'() {
        everyWay { way ->
            Jenkins.globalVariables.NOTIFY_EMAIL_URL = " ${service.url}/ ".toString()
            assert controller.run(way.pipeline).state == 'received'
        }
    }

    @Test
    void 'a trusted library does not look at an address that it will not use'() {
        controller(trusted)
        assert controller.run("withEnv(['NOTIFY_EMAIL_URL=nonsense']) { return notifyEmail() }").state == 'received'
    }

    @Test
    void 'an address that is none, in a trusted library'() {
        ['ftp://x', 'nonsense', 'http://'].each { url ->
            controller(trusted)
            Jenkins.globalVariables.NOTIFY_EMAIL_URL = url
            assert controller.run('return notifyEmail()').state == 'mailed'
            assert line().contains('NOTIFY_EMAIL_URL is ') && line().contains('set an http or https address')
        }
    }

    @Test
    void 'a mistake in the environment is told, and never fails a build'() {
        [NOTIFY_EMAIL_URL: 'http://x/$(id)', NOTIFY_EMAIL_TRANSPORT: 'pigeon'].each { name, value ->
            everyWay { way ->
                Jenkins.globalVariables[name] = value
                assert controller.run(way.pipeline.replaceAll(/transport: '\w+'/, '')).state == 'mailed'
                assert told().contains("${name} is '${value}': set ")
                assert service.requests == []
            }
        }
    }

    @Test
    void 'a page of somebody else is no report'() {
        everyWay { way ->
            service.answers = [[status: 200, body: '<html>Welcome to nginx!</html>']]
            assert controller.run(way.pipeline).state == 'mailed'
            assert told().contains('answered 200 and no report')
            assert service.requests.size() == 1
        }
    }

    @Test
    void 'a proxy that had no answer: asked once more, and maybe doubled'() {
        [502, 504].each { status ->
            everyWay { way ->
                service.answers = [[status: status, body: '<html>Bad gateway</html>']]
                assert controller.run(way.pipeline).state == 'mailed'
                assert service.requests.size() == 2
                assert told().contains("had no answer from it (${status})")
                assert told().endsWith('It may be doubled.')
            }
        }
    }

    @Test
    void 'a report that the service had before is told as such'() {
        everyWay { way ->
            service.answers = [FakeService.ACCEPTED + [status: 200]]
            assert controller.run(way.pipeline).state == 'received'
            assert told() == "notifyEmail: reported before, so there is no second mail: ${service.url}/v1/reports/${FakeService.ID}"
        }
    }

    @Test
    void 'the short mail goes to the addresses alone'() {
        controller(trusted)
        service.close()
        assert controller.run('''return notifyEmail(to: ['Ada Example <ada@x.org>', '"Öberg, Bo; jr." <bo@x.org>', 'c@x.org;d@x.org'],
            cc: 'e@x.org f@x.org', bcc: 'gee')''').state == 'mailed'
        assert controller.steps.mails[0].recipients == ['ada@x.org', 'bo@x.org', 'c@x.org', 'd@x.org', 'e@x.org', 'f@x.org',
                                                        'gee@suffix.example.com']
    }

    @Test
    void 'a controller that dies after the report repeats it, byte for byte'() {
        [trusted, sandboxed].each { trust ->
            startService()
            controller(trust).run('input(); notifyEmail()')
            assert service.requests.size() == 1
            controller.runAgainFromLastSave()
            assert service.requests*.body.toSet().size() == 1
            assert service.requests.size() == (trust ? 2 : 1)
            stopService()
        }
    }

    @Test
    void 'an answer that breaks off: asked once more, which is the first mail'() {
        everyWay { way ->
            service.answers = [FakeService.ACCEPTED + [cut: true], FakeService.ACCEPTED + [status: 200]]
            Map answer = controller.run(way.pipeline)
            assert answer.state == 'received'
            assert service.requests*.body.toSet().size() == 1
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'an answer that always breaks off: mailed by Jenkins itself, and maybe doubled'() {
        everyWay { way ->
            service.answers = [FakeService.ACCEPTED + [cut: true]]
            assert controller.run(way.pipeline).state == 'mailed'
            assert told().contains('ended before its whole answer was there')
            assert told().endsWith('It may be doubled.')
        }
    }

    @Test
    void 'without a recipient nothing is mailed, and that is said'() {
        everyWay { way ->
            Jenkins.globalVariables.remove('NOTIFY_EMAIL_TO')
            service.close()
            assert controller.run(way.pipeline).state == 'failed'
            assert told().endsWith('No mail was sent: neither `to` nor NOTIFY_EMAIL_TO names a recipient.')
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'the mail step fails, too, or is not there'() {
        controller(trusted)
        service.close()
        controller.steps.instead.mail = { throw new AbortException('No\nvalid recipient') }
        assert controller.run('return notifyEmail()').state == 'failed'
        assert line().endsWith("Jenkins' own mail step failed too: No valid recipient.")
        controller(trusted)
        controller.steps.absent << 'mail'
        assert controller.run('return notifyEmail()').state == 'failed'
        assert line().endsWith('No mail was sent: Jenkins has no mail step.')
    }

    @Test
    void 'failOnError fails the build with the same line'() {
        everyWay { way ->
            service.close()
            String pipeline = way.pipeline.contains('transport') ? way.pipeline.replace("')", "', failOnError: true)")
                : way.pipeline.replace('notifyEmail()', 'notifyEmail(failOnError: true)')
            pipeline = pipeline.replace("node('agent-7', failOnError: true)", "node('agent-7')")
            Throwable thrown = failure(pipeline)
            assert thrown instanceof AbortException
            assert thrown.message == told()
        }
    }

    @Test
    void 'an abort while it runs stays an abort, and nothing is mailed'() {
        [httpRequest: sandboxed, sh: sandboxed, echo: trusted].each { step, trust ->
            controller(trust)
            controller.steps.instead[step] = { throw new FlowInterruptedException('Aborted by Ada') }
            String pipeline = step == 'sh' ? "node { notifyEmail(transport: 'shell') }" : 'notifyEmail()'
            assert failure(pipeline) instanceof FlowInterruptedException
            assert controller.steps.mails == []
            nothingIsPending()
        }
        controller(trusted)
        service.close()
        controller.steps.instead.mail = { throw new FlowInterruptedException('Aborted by Ada') }
        assert failure('notifyEmail()') instanceof FlowInterruptedException
    }

    @Test
    void 'an abort during the report of a failing body is an abort'() {
        controller(sandboxed)
        controller.steps.instead.httpRequest = { throw new FlowInterruptedException('Aborted by Ada') }
        assert failure("notifyEmail { error 'own' }") instanceof FlowInterruptedException
    }

    @Test
    void 'a second abort ends one call, and the one in cleanup still reports'() {
        controller(sandboxed)
        int calls = 0
        controller.steps.instead.httpRequest = { step ->
            calls++
            if (calls == 1) {
                throw new FlowInterruptedException('Aborted by Ada')
            }
            return controller.steps.httpRequest(step)
        }
        assert failure('try { notifyEmail() } finally { notifyEmail() }') instanceof FlowInterruptedException
        assert service.requests.size() == 1
        assert controller.steps.mails == []
    }

    @Test
    void 'a lost agent: the step fails, the mail goes'() {
        [httpRequest: [new IllegalStateException("Launcher doesn't support remoting"), ''],
         sh         : [new IOException('agent-7 was marked offline'), "(transport: 'shell')"]].each { step, pair ->
            controller(sandboxed)
            controller.steps.instead[step] = { throw pair[0] }
            assert controller.run("node('agent-7') { return notifyEmail${pair[1] ?: '()'} }").state == 'mailed'
            assert told().startsWith('notifyEmail: agent agent-7 tried: ')
            assert told().contains(pair[0].message)
            nothingIsPending()
        }
    }

    @Test
    void 'an agent that is lost in the middle: the service may have the report'() {
        controller(sandboxed)
        controller.steps.instead.httpRequest = { throw new IOException('Unexpected termination of the channel') }
        assert controller.run("node('agent-7') { return notifyEmail() }").state == 'mailed'
        assert told().endsWith('It may be doubled.')
    }

    @Test
    void 'without any plugin, but with a token: told, mailed, and no list of all steps'() {
        controller(sandboxed)
        store('t', 'secret')
        controller.steps.absent.addAll(['httpRequest', 'withCredentials'])
        assert controller.run("node('agent-7') { return notifyEmail(credentialsId: 't') }").state == 'mailed'
        assert told().startsWith('notifyEmail: agent agent-7 tried: transport shell needs a step that is not installed. ')
        assert !told().contains('No such DSL method')
    }

    @Test
    void 'without the plugin the shell does it, inside of a node'() {
        controller(sandboxed)
        controller.steps.absent << 'httpRequest'
        assert controller.run(String.format(IN_NODE, 'return notifyEmail()')).state == 'received'
        assert controller.ran == ['node', 'sh']
    }

    @Test
    void 'without the plugin and outside of a node there is the mail step'() {
        controller(sandboxed)
        controller.steps.absent << 'httpRequest'
        assert controller.run('return notifyEmail()').state == 'mailed'
        assert line().contains('install the HTTP Request plugin')
        assert !line().contains('No such DSL method')
    }

    @Test
    void 'a transport that is not to be had is told'() {
        controller(sandboxed)
        controller.steps.absent << 'httpRequest'
        assert controller.run("return notifyEmail(transport: 'httpRequest')").state == 'mailed'
        assert line().contains('transport httpRequest needs a step that is not installed')
        controller(sandboxed)
        assert controller.run("return notifyEmail(transport: 'controller')").state == 'mailed'
        assert line().contains('needs this library to be a trusted one')
        controller(sandboxed)
        assert controller.run("return notifyEmail(transport: 'shell')").state == 'mailed'
        assert line().contains('inside of a node only')
    }

    @Test
    void 'the environment may choose the transport'() {
        controller(sandboxed)
        controller.variables.NOTIFY_EMAIL_TRANSPORT = 'shell'
        controller.run(String.format(IN_NODE, 'notifyEmail()'))
        assert controller.ran == ['node', 'sh']
    }

    @Test
    void 'in a sandboxed library the argument names the service'() {
        controller(sandboxed)
        Jenkins.globalVariables.NOTIFY_EMAIL_URL = 'http://127.0.0.1:1'
        assert controller.run("return notifyEmail(url: '${service.url}/')").state == 'received'
        assert service.requests[0].path == '/v1/reports'
    }

    @Test
    void 'in a trusted library no argument changes where the token goes'() {
        controller(trusted)
        store('notify-email-token', 'ne_secret-token')
        FakeService thief = new FakeService()
        assert controller.run("return notifyEmail(url: '${thief.url}', credentialsId: 'other')").state == 'received'
        assert thief.requests == []
        assert service.requests.size() == 1
        assert line().contains('url is for sandboxed libraries')
        controller.run("withEnv(['NOTIFY_EMAIL_URL=${thief.url}']) { notifyEmail() }")
        assert thief.requests == []
        thief.close()
    }

    @Test
    void 'a missing credential is told'() {
        controller(sandboxed)
        assert controller.run("return notifyEmail(credentialsId: 'none')").state == 'mailed'
        assert line().contains("Authentication 'none' doesn't exist anymore")
    }

    private static final String ON_WINDOWS = "node { withEnv(['WORKSPACE=C:\\\\jobs\\\\x']) { return notifyEmail(transport: 'shell') } }"

    @Test
    void 'on Windows it is PowerShell'() {
        controller(sandboxed)
        assert controller.run(ON_WINDOWS).state == 'mailed'
        assert controller.ran == ['node', 'withEnv', 'powershell', 'mail', 'echo']
        assert line().contains('connection refused at')
        String script = controller.steps.powershell[0]
        assert script.contains("-Uri '${service.url}/v1/reports'")
        assert script.contains("@'\n{\"schema\":1,")
        assert !script.contains('Authorization')
        // What it writes to the console's own streams Jenkins never sees.
        assert !script.contains('[Console]')
    }

    @Test
    void 'what PowerShell answers comes in pieces'() {
        controller(sandboxed)
        controller.steps.instead.powershell = {
            FakeService.ACCEPTED.body.toList().collate(150)*.join('').join('\r\n') + '\r\n202 0\r\n'
        }
        Map answer = controller.run(ON_WINDOWS)
        assert answer.state == 'received'
        assert answer.messageId == "<${FakeService.ID}@ci.example.com>"
        assert controller.ran == ['node', 'withEnv', 'powershell']
    }

    @Test
    void 'what PowerShell met is told'() {
        ['The remote certificate is invalid.\r\n000 1': "can't be reached: The remote certificate is invalid.",
         'The connection was closed.\r\n000 56': 'ended before its whole answer was there',
         'The operation has timed out.\r\n000 28': 'no answer from', '\r\n000 6': 'unknown host', '': 'the shell answered nothing'
        ].each { output, words ->
            controller(sandboxed)
            controller.steps.instead.powershell = { output }
            assert controller.run(ON_WINDOWS).state == 'mailed'
            assert line().contains(words)
        }
    }

    @Test
    void 'nothing in a report is run by the shell'() {
        String nasty = '\'"$(touch /tmp/notify-email-pwned)`touch /tmp/notify-email-pwned`\\\nNOTIFY_EMAIL_REPORT\nid\n\'@\r漢字\u2028<>&|;'
        File proof = new File('/tmp/notify-email-pwned')
        proof.delete()
        controller(sandboxed)
        controller.build.set('fullProjectName', (nasty * 20).take(500))
        controller.build.set('description', nasty)
        controller.run("node { notifyEmail(transport: 'shell', subject: ${JsonOutput.toJson(nasty).replace('$', '\\$')}) }")
        assert !proof.exists()
        assert service.reports[0].build.job == (nasty * 20).take(500)
        assert service.reports[0].mail.subject == nasty
    }

    @Test
    void 'a shell without curl says so'() {
        controller(sandboxed)
        controller.steps.instead.sh = { '\n000 127' }
        assert controller.run("node { return notifyEmail(transport: 'shell') }").state == 'mailed'
        assert told().contains('there is no curl')
    }

    @Test
    void 'a shell that answers nonsense is told'() {
        ['', 'Permission denied', 'x y', '202'].each { output ->
            controller(sandboxed)
            controller.steps.instead.sh = { output }
            assert controller.run("node { return notifyEmail(transport: 'shell') }").state == 'mailed'
            assert told().contains('the shell answered')
        }
    }

    @Test
    void 'a large report fits, and says how many changes there are'() {
        controller(trusted)
        Map item = [commitId: 'f' * 40, msg: '漢' * 5000, timestamp: 1L, affectedPaths: ['路' * 900] * 80, author: [fullName: 'x', id: 'x']]
        controller.build.@recorded.changeSets = [[items: [item] * 300]]
        assert controller.run('return notifyEmail()').state == 'received'
        assert service.requests[0].body.length() < 1024 * 1024
        assert service.reports[0].changes.total == 300
        assert service.reports[0].changes.items.size() == 20
    }

}
