package notifyemail

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import harness.FakeService
import hudson.AbortException
import jenkins.model.Jenkins
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** Each transport sends the same report, and writes each kind of failure in the build log. */
class TransportsTest extends PipelineTest {

    private static final String IN_NODE = "node('agent-7') { %s }"

    /** Each transport, on each machine where it works: whether the library is trusted, the Pipeline, the machine that sends. */
    private static final List<Map> CASES = [
        [trusted: true, pipeline: 'return notifyEmail()', machine: 'the controller'],
        [trusted: false, pipeline: 'return notifyEmail()', machine: 'the controller'],
        [trusted: false, pipeline: "node('agent-7') { return notifyEmail() }", machine: 'agent agent-7'],
        [trusted: false, pipeline: "node('agent-7') { return notifyEmail(transport: 'shell') }", machine: 'agent agent-7'],
        [trusted: true, pipeline: "node('agent-7') { return notifyEmail(transport: 'httpRequest') }", machine: 'agent agent-7'],
    ]

    private void everyTransport(Closure test) {
        CASES.each { example ->
            startService()
            controller(example.trusted)
            test(example)
            nothingIsPending()
            stopService()
        }
    }

    /** Return a report without what only a trusted library can see. */
    private static Map withoutInsideFacts(Map report) {
        report.remove('complete')
        report.changes.items.each { change -> change.keySet().removeAll(['files', 'author_email', 'author_may_read']) }
        return report
    }

    @Test
    void 'each transport sends the same report'() {
        List<Map> reports = []
        everyTransport { example ->
            assert controller.run(example.pipeline).state == 'received'
            assert service.requests[0].path == '/v1/reports'
            assert service.requests[0].method == 'POST'
            assert service.requests[0].type == 'application/json'
            assert service.requests[0].authorization == null
            reports << withoutInsideFacts(service.reports[0])
        }
        assert reports.toSet().size() == 1
    }

    @Test
    void 'each transport sends the token and shows it nowhere'() {
        CASES.each { example ->
            startService()
            controller(example.trusted)
            store('notify-email-token', 'ne_secret-token')
            controller.variables.NOTIFY_EMAIL_CREDENTIALS_ID = 'notify-email-token'
            Map answer = controller.run(example.pipeline)
            String sent = service.requests[0].authorization
            String basic = 'Basic ' + 'jenkins:ne_secret-token'.bytes.encodeBase64()
            assert sent == 'Bearer ne_secret-token' || sent == basic
            assert !(controller.log.join('\n') + answer).contains('ne_secret-token')
            nothingIsPending()
            stopService()
        }
    }

    @Test
    void 'without a service the log names the machine and what to do, and Jenkins mails itself'() {
        everyTransport { example ->
            service.close()
            Map answer = controller.run(example.pipeline)
            assert answer.state == 'mailed'
            assert line().startsWith("notifyEmail: ${example.machine} tried: connection refused at ${service.url}: start the service")
            assert line().endsWith("Jenkins' own mail step sent a short mail instead.")
            assert answer.error == line()
            Map mail = controller.steps.mails[0]
            assert controller.steps.mails.size() == 1
            assert mail.to == 'team@example.com'
            assert mail.subject == 'FAILURE: shop » checkout #2'
            assert mail.body.contains('https://ci.example.com/job/shop/job/checkout/2/')
            assert controller.build.value('result') == 'FAILURE'
        }
    }

    @Test
    void 'if the service can not accept the report, Jenkins mails itself'() {
        [401: 'wants a token (401)', 408: 'did not get the whole report in time (408): Slow down.',
         429: 'takes no more requests now (429)', 500: "can't take it (500)", 503: "can't take it now (503): Slow down.",
         302: 'answered 302 and no report', 404: 'answered 404 and no report', 403: 'answered 403 and no report',
         413: 'answered 413 and no report'].each { status, words ->
            everyTransport { example ->
                service.answers = [[status: status, body: '{"detail": "Slow down."}', headers: [Location: "${service.url}/x".toString()]]]
                assert controller.run(example.pipeline).state == 'mailed'
                assert line().contains(words)
                assert controller.steps.mails.size() == 1
                assert service.requests.size() == 1
            }
        }
    }

    @Test
    void 'a refusal is written in the log, and Jenkins does not mail'() {
        [400, 403, 409, 413, 415, 421, 422].each { status ->
            everyTransport { example ->
                service.answers = [[status: status, body: JsonOutput.toJson(status: status, detail: 'The recipients are\nnot valid.',
                    errors: [[pointer: '/mail/to/0', detail: "'x' is no mail address"]])]]
                Map answer = controller.run(example.pipeline)
                assert answer.state == 'refused'
                String cure = status in [400, 422] ? 'Correct the arguments of notifyEmail, or NOTIFY_EMAIL_TO. If the mistake is in ' +
                    'neither, ask the administrator of the service. ' : ''
                assert line() == "notifyEmail: ${service.url} refused the report (${status}): The recipients are not valid. " +
                    "/mail/to/0: 'x' is no mail address. ${cure}No mail was sent."
                assert controller.steps.mails == []
            }
        }
    }

    @Test
    void 'what a refusal says twice is written once'() {
        controller(trusted)
        service.answers = [[status: 422, body: JsonOutput.toJson(status: 422, detail: "There is no template 'x'; there are: build.",
            errors: [[pointer: '/mail/template', detail: "there is no template 'x'; there are: build"], [pointer: '/a', detail: 'is b']])]]
        controller.run("notifyEmail(template: 'x')")
        assert line().startsWith("notifyEmail: ${service.url} refused the report (422): There is no template 'x'; there are: build. " +
            '/a: is b. Correct the arguments')
    }

    @Test
    void 'a dry run shows where the mail is to be seen, and lets nobody else send it'() {
        everyTransport { example ->
            String pipeline = example.pipeline.replace('notifyEmail(', 'notifyEmail(dryRun: true, ').replace(', )', ')')
            assert controller.run(pipeline).state == 'received'
            assert service.reports.last().mail.dry_run == true
            assert line() == "notifyEmail: made a mail about FAILURE${pipeline.contains('shell') ? '' : ' to 1 recipient'}, " +
                "and sent it to nobody (dryRun): ${service.url}/v1/reports/${FakeService.ID}/preview"
            service.close()
            Map answer = controller.run(pipeline)
            assert answer.state == 'failed'
            assert answer.error.endsWith('No mail was made: dryRun needs the service.')
            assert controller.steps.mails == []
        }
    }

    private static Map acceptedWithout(List missing) {
        Map body = new JsonSlurper().parseText(FakeService.ACCEPTED.body) + [missing: missing]
        return [status: 202, body: JsonOutput.toJson(body)]
    }

    @Test
    void 'what the mail goes without is written in the log'() {
        everyTransport { example ->
            service.answers = [acceptedWithout([[pointer: '/mail/to/1', detail: 'cy[bot]@x.org is no mail address'],
                                                [pointer: '/build/url', detail: "only http and\u001b[31m\nhttps links are allowed"]])]
            assert controller.run(example.pipeline).state == 'received'
            assert controller.log - ['+ set +x'] == [
                "notifyEmail: reported FAILURE${example.pipeline.contains('shell') ? '' : ' to 1 recipient'}: " +
                    "${service.url}/v1/reports/${FakeService.ID}",
                'notifyEmail: the mail goes without /mail/to/1: cy[bot]@x.org is no mail address; ' +
                    '/build/url: only http and [31m https links are allowed.',
            ]
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'a long or strange list of what the mail goes without is cut'() {
        controller(trusted)
        service.answers = [acceptedWithout([[pointer: '/mail/to/0', detail: 'x' * 100]] * 5000), acceptedWithout(['text', 5, null, [1]]),
                           acceptedWithout(null)]
        3.times { controller.run('notifyEmail()') }
        assert controller.log.size() == 4
        assert controller.log[1].startsWith('notifyEmail: the mail goes without /mail/to/0: xxx')
        assert controller.log[1].length() < 1100
    }

    @Test
    void 'a rate limit is written in the log in the words of the service, and Jenkins does not mail'() {
        everyTransport { example ->
            service.answers = [[status: 429, headers: ['Retry-After': '30'], body: JsonOutput.toJson(status: 429,
                detail: 'This token sends at most 100 reports per hour, and they are used up. Try again in 30 s.')]]
            Map answer = controller.run(example.pipeline)
            assert answer.state == 'refused'
            assert answer.error == line()
            assert line() == "notifyEmail: ${service.url} takes no more reports from here now (429): " +
                'This token sends at most 100 reports per hour, and they are used up. Try again in 30 s. No mail was sent.'
            assert controller.steps.mails == []
            assert service.requests.size() == 1
        }
    }

    @Test
    void 'after two answers that are too late the log says "may be doubled"'() {
        everyTransport { example ->
            service.answers = [[status: 202, body: FakeService.ACCEPTED.body, delay: 3000]]
            Map answer = controller.run(example.pipeline.replace('notifyEmail()', 'notifyEmail(timeout: 1)')
                .replace("'shell')", "'shell', timeout: 1)").replace("'httpRequest')", "'httpRequest', timeout: 1)"))
            assert answer.state == 'mailed'
            assert service.requests.size() == 2
            assert service.requests[0].body == service.requests[1].body
            assert line().contains('It may be doubled.')
        }
    }

    @Test
    void 'after an answer that is too late the second request is accepted'() {
        everyTransport { example ->
            service.answers = [FakeService.ACCEPTED + [delay: 6000], FakeService.ACCEPTED + [status: 200]]
            Map answer = controller.run(example.pipeline.replace('notifyEmail()', 'notifyEmail(timeout: 3)')
                .replace("'shell')", "'shell', timeout: 3)").replace("'httpRequest')", "'httpRequest', timeout: 3)"))
            assert answer.state == 'received'
            assert answer.error == null
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'an unknown host is written in the log'() {
        everyTransport { example ->
            Jenkins.globalVariables.NOTIFY_EMAIL_URL = 'http://no-such-host.invalid:8525'
            assert controller.run(example.pipeline).state == 'mailed'
            assert line().contains('unknown host in http://no-such-host.invalid:8525')
        }
    }

    @Test
    void 'without an address the log says which variable to set'() {
        everyTransport { example ->
            Jenkins.globalVariables.remove('NOTIFY_EMAIL_URL')
            assert controller.run(example.pipeline).state == 'mailed'
            assert line().contains('set the global variable NOTIFY_EMAIL_URL')
        }
    }

    @Test
    void 'spaces around an address and a slash at its end are removed'() {
        everyTransport { example ->
            Jenkins.globalVariables.NOTIFY_EMAIL_URL = " ${service.url}/ ".toString()
            assert controller.run(example.pipeline).state == 'received'
        }
    }

    @Test
    void 'a trusted library does not read the address of the environment'() {
        controller(trusted)
        assert controller.run("withEnv(['NOTIFY_EMAIL_URL=nonsense']) { return notifyEmail() }").state == 'received'
    }

    @Test
    void 'a trusted library writes a wrong address in the log'() {
        ['ftp://x', 'nonsense', 'http://'].each { url ->
            controller(trusted)
            Jenkins.globalVariables.NOTIFY_EMAIL_URL = url
            assert controller.run('return notifyEmail()').state == 'mailed'
            assert line().contains('NOTIFY_EMAIL_URL is ') && line().contains('set an http or https address')
        }
    }

    @Test
    void 'a mistake in the environment is written in the log, and does not fail the build'() {
        [NOTIFY_EMAIL_URL: 'http://x/$(id)', NOTIFY_EMAIL_TRANSPORT: 'pigeon'].each { name, value ->
            everyTransport { example ->
                Jenkins.globalVariables[name] = value
                assert controller.run(example.pipeline.replaceAll(/transport: '\w+'/, '')).state == 'mailed'
                assert line().contains("${name} is '${value}': set ")
                assert service.requests == []
            }
        }
    }

    @Test
    void 'a page of another server is no answer'() {
        everyTransport { example ->
            service.answers = [[status: 200, body: '<html>Welcome to nginx!</html>']]
            assert controller.run(example.pipeline).state == 'mailed'
            assert line().contains('answered 200 and no report')
            assert service.requests.size() == 1
        }
    }

    @Test
    void 'after two failures of a proxy the log says "may be doubled"'() {
        [502, 504].each { status ->
            everyTransport { example ->
                service.answers = [[status: status, body: '<html>Bad gateway</html>']]
                assert controller.run(example.pipeline).state == 'mailed'
                assert service.requests.size() == 2
                assert line().contains("had no answer from it (${status})")
                assert line().endsWith('It may be doubled.')
            }
        }
    }

    @Test
    void 'the log says that the service already had a report'() {
        everyTransport { example ->
            service.answers = [FakeService.ACCEPTED + [status: 200]]
            assert controller.run(example.pipeline).state == 'received'
            assert line() == "notifyEmail: reported before, so there is no second mail: ${service.url}/v1/reports/${FakeService.ID}"
        }
    }

    @Test
    void 'the short mail goes to the addresses without names'() {
        controller(trusted)
        service.close()
        assert controller.run('''return notifyEmail(to: ['Ada Example <ada@x.org>', '"Öberg, Bo; jr." <bo@x.org>', 'c@x.org;d@x.org'],
            cc: 'e@x.org f@x.org', bcc: 'gee')''').state == 'mailed'
        assert controller.steps.mails[0].recipients == ['ada@x.org', 'bo@x.org', 'c@x.org', 'd@x.org', 'e@x.org', 'f@x.org',
                                                        'gee@suffix.example.com']
    }

    @Test
    void 'the words of names are no recipients of the short mail'() {
        controller(trusted)
        service.close()
        Map<String, List<String>> expected = [
            'a@x.org\nb@x.org\r\n\tc@x.org  d@x.org\n': ['a@x.org', 'b@x.org', 'c@x.org', 'd@x.org'],
            'Ada Example <a@x.org>\nBo\t<b@x.org> c@x.org': ['a@x.org', 'b@x.org', 'c@x.org'],
            'a@x.org Bo Berg<b@x.org>,<c@x.org>': ['a@x.org', 'b@x.org', 'c@x.org'],
            '=?UTF-8?Q?=C3=96berg=2C_Bo@home?= <b@x.org>': ['b@x.org'],
            '=?UTF-8?Q?=C3=96berg?= =?UTF-8?Q?_Bo@home?= <b@x.org>': ['b@x.org'],
            '"Öberg, \\"Bo\\" <no@x.org>;" <b@x.org>, ada@home <a@x.org>': ['b@x.org', 'a@x.org'],
            '"not closed <a@x.org>, b@x.org': ['a@x.org', 'b@x.org'],
            'gee, "Gee" <gee>': ['gee@suffix.example.com', 'gee@suffix.example.com'],
            (('"' + 'x' * 60000 + '" <a@x.org>')): ['a@x.org'],
            (('"' + '\\"' * 30000 + '" <a@x.org>')): ['a@x.org'],
        ]
        expected.each { to, recipients ->
            controller.given.to = to
            assert controller.run('return notifyEmail(to: to)').state == 'mailed'
            assert controller.steps.mails.last().recipients == recipients
        }
    }

    @Test
    void 'a controller that restarts after the report sends the same bytes again'() {
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
    void 'after an answer that breaks off the second request is accepted'() {
        everyTransport { example ->
            service.answers = [FakeService.ACCEPTED + [cut: true], FakeService.ACCEPTED + [status: 200]]
            Map answer = controller.run(example.pipeline)
            assert answer.state == 'received'
            assert service.requests*.body.toSet().size() == 1
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'after two answers that break off Jenkins mails itself, and the log says "may be doubled"'() {
        everyTransport { example ->
            service.answers = [FakeService.ACCEPTED + [cut: true]]
            assert controller.run(example.pipeline).state == 'mailed'
            assert line().contains('ended before the whole answer arrived')
            assert line().endsWith('It may be doubled.')
        }
    }

    @Test
    void 'without a recipient Jenkins does not mail, and the log says so'() {
        everyTransport { example ->
            Jenkins.globalVariables.remove('NOTIFY_EMAIL_TO')
            service.close()
            assert controller.run(example.pipeline).state == 'failed'
            assert line().endsWith('No mail was sent: neither `to` nor NOTIFY_EMAIL_TO names a recipient.')
            assert controller.steps.mails == []
        }
    }

    @Test
    void 'a mail step that fails or is missing is written in the log'() {
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
        everyTransport { example ->
            service.close()
            String pipeline = example.pipeline.contains('transport') ? example.pipeline.replace("')", "', failOnError: true)")
                : example.pipeline.replace('notifyEmail()', 'notifyEmail(failOnError: true)')
            pipeline = pipeline.replace("node('agent-7', failOnError: true)", "node('agent-7')")
            Throwable thrown = failure(pipeline)
            assert thrown instanceof AbortException
            assert thrown.message == line()
        }
    }

    @Test
    void 'an abort during the step stays an abort, and Jenkins does not mail'() {
        ['httpRequest', 'sh'].each { step ->
            controller(sandboxed)
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
    void 'an abort during the report of a failing body stays an abort'() {
        controller(sandboxed)
        controller.steps.instead.httpRequest = { throw new FlowInterruptedException('Aborted by Ada') }
        assert failure("notifyEmail { error 'own' }") instanceof FlowInterruptedException
    }

    @Test
    void 'a second abort ends one call, and the call in cleanup still reports'() {
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
    void 'after an agent is lost Jenkins mails itself'() {
        [httpRequest: [new IllegalStateException("Launcher doesn't support remoting"), ''],
         sh         : [new IOException('agent-7 was marked offline'), "(transport: 'shell')"]].each { step, pair ->
            controller(sandboxed)
            controller.steps.instead[step] = { throw pair[0] }
            assert controller.run("node('agent-7') { return notifyEmail${pair[1] ?: '()'} }").state == 'mailed'
            assert line().startsWith('notifyEmail: agent agent-7 tried: ')
            assert line().contains(pair[0].message)
            nothingIsPending()
        }
    }

    @Test
    void 'after an agent is lost during the request the log says "may be doubled"'() {
        controller(sandboxed)
        controller.steps.instead.httpRequest = { throw new IOException('Unexpected termination of the channel') }
        assert controller.run("node('agent-7') { return notifyEmail() }").state == 'mailed'
        assert line().endsWith('It may be doubled.')
    }

    @Test
    void 'without any plugin Jenkins mails itself, and the log has no list of all steps'() {
        controller(sandboxed)
        store('t', 'secret')
        controller.steps.absent.addAll(['httpRequest', 'withCredentials'])
        assert controller.run("node('agent-7') { return notifyEmail(credentialsId: 't') }").state == 'mailed'
        assert line().startsWith('notifyEmail: agent agent-7 tried: transport shell needs a step that is not installed. ')
        assert !line().contains('No such DSL method')
    }

    @Test
    void 'without the plugin the shell sends the report, inside a node'() {
        controller(sandboxed)
        controller.steps.absent << 'httpRequest'
        assert controller.run(String.format(IN_NODE, 'return notifyEmail()')).state == 'received'
        assert controller.ran == ['node', 'sh']
    }

    @Test
    void 'without the plugin and outside a node Jenkins mails itself'() {
        controller(sandboxed)
        controller.steps.absent << 'httpRequest'
        assert controller.run('return notifyEmail()').state == 'mailed'
        assert line().contains('install the HTTP Request plugin')
        assert !line().contains('No such DSL method')
    }

    @Test
    void 'a transport that is not available is written in the log'() {
        controller(sandboxed)
        controller.steps.absent << 'httpRequest'
        assert controller.run("return notifyEmail(transport: 'httpRequest')").state == 'mailed'
        assert line().contains('transport httpRequest needs a step that is not installed')
        controller(sandboxed)
        assert controller.run("return notifyEmail(transport: 'controller')").state == 'mailed'
        assert line().contains('needs this library to be a trusted one')
        controller(sandboxed)
        assert controller.run("return notifyEmail(transport: 'shell')").state == 'mailed'
        assert line().contains('works only inside a node')
    }

    @Test
    void 'the environment may choose the transport'() {
        controller(sandboxed)
        controller.variables.NOTIFY_EMAIL_TRANSPORT = 'shell'
        controller.run(String.format(IN_NODE, 'notifyEmail()'))
        assert controller.ran == ['node', 'sh']
    }

    @Test
    void 'in a sandboxed library the argument url gives the address'() {
        controller(sandboxed)
        Jenkins.globalVariables.NOTIFY_EMAIL_URL = 'http://127.0.0.1:1'
        assert controller.run("return notifyEmail(url: '${service.url}/')").state == 'received'
        assert service.requests[0].path == '/v1/reports'
    }

    @Test
    void 'in a trusted library no argument changes the address that gets the token'() {
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
    void 'a missing credential is written in the log'() {
        controller(sandboxed)
        assert controller.run("return notifyEmail(credentialsId: 'none')").state == 'mailed'
        assert line().contains("Authentication 'none' doesn't exist anymore")
    }

    private static final String ON_WINDOWS = "node { withEnv(['WORKSPACE=C:\\\\jobs\\\\x']) { return notifyEmail(transport: 'shell') } }"

    @Test
    void 'on Windows PowerShell sends the report'() {
        controller(sandboxed)
        assert controller.run(ON_WINDOWS).state == 'mailed'
        assert controller.ran == ['node', 'withEnv', 'powershell', 'mail', 'echo']
        assert line().contains('connection refused at')
        String script = controller.steps.powershell[0]
        assert script.contains("-Uri '${service.url}/v1/reports'")
        assert script.contains("@'\n{\"schema\":2,")
        assert !script.contains('Authorization')
        // Jenkins does not read what a script writes with [Console].
        assert !script.contains('[Console]')
    }

    @Test
    void 'the output of PowerShell may have several lines'() {
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
    void 'an error of PowerShell is written in the log'() {
        ['The remote certificate is invalid.\r\n000 1': "can't be reached: The remote certificate is invalid.",
         'The connection was closed.\r\n000 56': 'ended before the whole answer arrived',
         'The operation has timed out.\r\n000 28': 'no answer from', '\r\n000 6': 'unknown host', '': 'the shell answered nothing'
        ].each { output, words ->
            controller(sandboxed)
            controller.steps.instead.powershell = { output }
            assert controller.run(ON_WINDOWS).state == 'mailed'
            assert line().contains(words)
        }
    }

    @Test
    void 'the shell runs nothing in a report'() {
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
    void 'a missing curl is written in the log'() {
        controller(sandboxed)
        controller.steps.instead.sh = { '\n000 127' }
        assert controller.run("node { return notifyEmail(transport: 'shell') }").state == 'mailed'
        assert line().contains('curl is missing')
    }

    @Test
    void 'output that is no answer is written in the log'() {
        ['', 'Permission denied', 'x y', '202'].each { output ->
            controller(sandboxed)
            controller.steps.instead.sh = { output }
            assert controller.run("node { return notifyEmail(transport: 'shell') }").state == 'mailed'
            assert line().contains('the shell answered')
        }
    }

    @Test
    void 'a large report has fewer changes, and their total number'() {
        both {
            Map item = [id: 'f' * 40, msg: '漢' * 5000, at: 1L, paths: [['路' * 900, 'edit']] * 80, author: 'x', authorId: 'x']
            controller.build.inside.changes = [item] * 300
            assert controller.run('return notifyEmail()').state == 'received'
            assert service.requests[0].body.length() < 1024 * 1024
            assert service.reports[0].changes.total == 300
            assert service.reports[0].changes.items.size() == 20
        }
    }

}
