package notifyemail

import groovy.json.JsonOutput
import hudson.AbortException
import jenkins.model.Jenkins
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** The step's forms: without a body, with an error, and around a body. */
class FormsTest extends PipelineTest {

    @Test
    void 'a plain call reports the current result of the build'() {
        both {
            Map answer = controller.run('notifyEmail()')
            assert answer.state == 'received'
            assert answer.id == harness.FakeService.ID
            assert answer.messageId == "<${harness.FakeService.ID}@ci.example.com>"
            assert answer.statusUrl == "${service.url}/v1/reports/${harness.FakeService.ID}"
            assert answer.previewUrl == "${answer.statusUrl}/preview"
            assert answer.error == null
            assert report().build.result == 'FAILURE'
            assert report().mail == [to: 'team@example.com', to_is_default: true]
            assert !report().containsKey('error')
        }
    }

    @Test
    void 'an error as an argument is a failure, although Jenkins still says SUCCESS'() {
        both {
            controller.build.set('result', null)
            controller.build.set('currentResult', 'SUCCESS')
            Throwable thrown = failure('''
                stage('Package') {
                    try {
                        error 'no disk'
                    } catch (e) {
                        notifyEmail(error: e)
                        throw e
                    }
                }''')
            assert thrown instanceof AbortException
            assert report().build.result == 'FAILURE'
            assert report().error == [message: 'no disk', type: 'hudson.AbortException', stage: 'Package']
        }
    }

    @Test
    void 'an interruption gives ABORTED, and one by a newer build NOT_BUILT'() {
        [('Aborted by Ada'): 'ABORTED', ('Timeout has been exceeded'): 'ABORTED', ('Superseded by #2'): 'NOT_BUILT'].each { text, result ->
            both {
                controller.steps.instead.input = { throw new FlowInterruptedException(text, result) }
                Throwable thrown = failure('try { input() } catch (e) { notifyEmail(error: e); throw e }')
                assert thrown instanceof FlowInterruptedException
                assert report().build.result == result
                assert report().error.message == text
            }
        }
    }

    private static final String FAILED_BELOW = 'shop/deploy #4 completed with status FAILURE (propagate: false to ignore)'

    @Test
    void 'the result of a step build is that of its build, although it throws an interruption'() {
        [(FAILED_BELOW): 'FAILURE', (FAILED_BELOW.replace('FAILURE', 'UNSTABLE')): 'UNSTABLE',
         (FAILED_BELOW.replace('FAILURE', 'ABORTED')): 'ABORTED', (FAILED_BELOW.replace('FAILURE', 'NOT_BUILT')): 'NOT_BUILT',
         'Downstream build was not stable (propagate: false to ignore)': 'FAILURE', 'Agent was removed': 'ABORTED',
         'Rejected': 'ABORTED', 'Failed in branch quick': 'ABORTED'].each { text, result ->
            both {
                controller.build.set('currentResult', 'SUCCESS')
                controller.steps.instead.input = { throw new FlowInterruptedException(text, result) }
                assert failure('notifyEmail { input() }') instanceof FlowInterruptedException
                assert report().build.result == result
                assert report().error.message == text
            }
        }
    }

    @Test
    void 'a result that catchError gave the build stays, if the exception has no worse one'() {
        both {
            controller.build.set('result', 'UNSTABLE')
            controller.run('notifyEmail()')
            assert report().build.result == 'UNSTABLE'
            assert !report().containsKey('error')
        }
        both {
            controller.build.set('result', 'FAILURE')
            controller.steps.instead.input = {
                throw new FlowInterruptedException(FAILED_BELOW.replace('FAILURE', 'UNSTABLE'), 'UNSTABLE')
            }
            failure('notifyEmail { input() }')
            assert report().build.result == 'FAILURE'
        }
    }

    @Test
    void 'an abort during the report of a failed step build is an abort'() {
        controller(sandboxed)
        controller.steps.instead.input = { throw new FlowInterruptedException(FAILED_BELOW, 'FAILURE') }
        controller.steps.instead.httpRequest = { throw new FlowInterruptedException('Aborted by Ada') }
        assert failure('notifyEmail { input() }').message == 'Aborted by Ada'
    }

    @Test
    void 'a body that succeeds returns its value'() {
        both {
            controller.build.set('result', 'SUCCESS')
            Object value = controller.run("notifyEmail(to: 'ada@example.com') { echo 'in'; return [n: 42] }")
            assert value == [n: 42]
            assert report().build.result == 'SUCCESS'
            assert report().mail.to == 'ada@example.com'
            assert controller.log[0] == 'in'
        }
    }

    @Test
    void 'a body that makes the build unstable is reported as UNSTABLE'() {
        both {
            controller.build.set('result', 'SUCCESS')
            controller.run("notifyEmail { junit '*.xml' }")
            assert report().build.result == 'UNSTABLE'
        }
    }

    @Test
    void 'a body that fails is reported, and its exception is thrown on'() {
        both {
            controller.build.set('result', 'SUCCESS')
            AbortException own = new AbortException('own')
            controller.steps.instead.input = { throw own }
            Throwable thrown = failure('notifyEmail { input() }')
            assert thrown.is(own) || thrown.message == own.message
            assert thrown.getClass() == AbortException
            assert report().build.result == 'FAILURE'
            assert report().error.message == 'own'
        }
    }

    @Test
    void 'after the report the exception of the body is still the same object'() {
        both {
            Object same = controller.run('''
                def thrown = new Exception('own')
                try {
                    notifyEmail { throw thrown }
                } catch (e) {
                    return e == thrown
                }''')
            assert same
        }
    }

    @Test
    void 'an error whose message throws is reported by its class'() {
        both {
            assert failure("""
                class Mute extends Exception { String getMessage() { throw new Exception('mute') } }
                notifyEmail { throw new Mute() }""").getClass().simpleName == 'Mute'
            assert report().error == [message: 'Mute', type: 'Mute']
        }
    }

    @Test
    void 'a body that is aborted stays aborted'() {
        both {
            controller.steps.instead.input = { throw new FlowInterruptedException('Aborted by Ada') }
            assert failure('notifyEmail { input() }') instanceof FlowInterruptedException
            assert report().build.result == 'ABORTED'
        }
    }

    @Test
    void 'a failing report does not hide the exception of the body'() {
        both {
            service.answers = [[status: 422, body: '{"status": 422, "detail": "No."}']]
            Throwable thrown = failure("notifyEmail(failOnError: true) { error 'own' }")
            assert thrown.message == 'own'
            assert line().startsWith("notifyEmail: ${service.url} refused the report (422): No. ")
        }
    }

    @Test
    void 'an unknown argument fails before the body runs, and the message lists the known ones'() {
        both {
            Throwable thrown = failure("notifyEmail(too: 'x') { echo 'ran' }")
            assert thrown.message == "notifyEmail has no argument 'too'. Its arguments are: to, cc, bcc, recipients, from, replyTo, " +
                'subject, body, attach, attachLog, template, data, url, credentialsId, transport, timeout, failOnError, dryRun, error.'
            assert controller.log == []
            assert service.requests == []
        }
    }

    @Test
    void 'a wrong argument fails, and the message says what it takes'() {
        ["to: 5": 'to takes an address', "to: ['a@x.org', 5]": 'to takes an address', "data: 'x'": 'data takes a Map',
         "timeout: '5'": 'timeout takes whole seconds from 1 to 60', 'timeout: 0': 'timeout takes',
         "failOnError: 'yes'": 'failOnError takes true or false',
         "error: 'x'": 'error takes the exception', 'subject: 5': 'subject takes a text',
         "transport: 'pigeon'": 'transport takes one of auto',
         'url: "file:///etc/passwd"': 'url takes an http', 'url: "http://x/\';rm -rf /"': 'url takes an http',
         'url: "http://x/`id`"': 'url takes an http', 'url: \'http://x/$(id)\'': 'url takes an http'].each { arguments, message ->
            both {
                assert failure("notifyEmail(${arguments})").message.contains(message)
                assert service.requests == []
            }
        }
    }

    @Test
    void 'the arguments give the recipients'() {
        both {
            controller.run("notifyEmail(to: ['a@x.org', 'Bo <b@x.org>'], cc: 'c@x.org', bcc: 'd@x.org', replyTo: 'e@x.org')")
            assert report().mail == [to: 'a@x.org, Bo <b@x.org>', cc: 'c@x.org', bcc: 'd@x.org', reply_to: 'e@x.org']
        }
    }

    @Test
    void 'recipients reach the service as they are written'() {
        String lines = 'team@example.com\n\tlead@example.com, "Öberg, Bo" <bo@example.com>\n'
        ['to: lines': lines, 'to: emails': 'a@x.org b@x.org', 'to: "#{emails}"': 'a@x.org b@x.org',
         "to: ['a@x.org', null, '', ' ', lines]": "a@x.org, ${lines}".toString(),
         "to: ['a@x.org', \"#{emails}\"]": 'a@x.org, a@x.org b@x.org',
         "to: ''": 'team@example.com', 'to: []': 'team@example.com', 'to: [null]': 'team@example.com', 'to: null': 'team@example.com',
        ].each { argument, to ->
            both {
                controller.given.putAll(lines: lines, emails: 'a@x.org b@x.org')
                controller.run("notifyEmail(${argument.replace('#', '$')})")
                assert report().mail == [to: to] + (to == 'team@example.com' ? [to_is_default: true] : [:])
            }
        }
    }

    @Test
    void 'a controller without a Jenkins URL reports without links'() {
        both {
            controller.build.url = null
            controller.variables.remove('BUILD_URL')
            assert controller.run('notifyEmail()').state == 'received'
            assert !report().build.containsKey('url')
        }
    }

    @Test
    void 'data may hold anything, and is sent as plain values'() {
        both {
            controller.run('''def number = 1; notifyEmail(data: [a: 1, b: [true, null, "g$number", 1.5], c: [d: new Date(0)], (5): 'five',
                e: currentBuild])''')
            Map data = report().mail.data
            assert data.a == 1
            assert data.b == [true, null, 'g1', 1.5]
            assert data.c.d instanceof String
            assert data['5'] == 'five'
            assert data.e instanceof String
        }
    }

    @Test
    void 'data may be objects that a controller can not save'() {
        both {
            service.close()
            Map answer = controller.run('''
                Map result = notifyEmail(data: new groovy.json.JsonSlurper().parseText('{"a": {"b": [1]}}'))
                return result''')
            assert answer.state == 'mailed'
            controller.run("notifyEmail(data: [changes: currentBuild.changeSets]) { input() }")
            assert controller.steps.mails.size() == 2
        }
    }

    @Test
    void 'a value that can not be read is sent as a question mark'() {
        both {
            controller.run("""
                class Odd implements Serializable { String toString() { return 'p' } }
                Map first = [name: 'first']
                Map second = [name: 'second', other: first]
                first.other = second
                notifyEmail(data: [odd: new Odd(), lazy: "#{-> 1}", deep: first])""".replace('#', '$'))
            Map data = report().mail.data
            assert data.odd == '?'
            assert data.lazy == '?'
            assert data.deep.other.other.other.name == 'second'
            assert JsonOutput.toJson(data.deep).contains('"other":"..."')
        }
    }

    @Test
    void 'a bug of the library is written in the log, and neither ends the build nor hides its error'() {
        both {
            controller.variables = [:].withDefault { throw new NoSuchFieldError('bug') }
            Jenkins.globalVariables.remove('NOTIFY_EMAIL_TO')
            assert controller.run('return notifyEmail()').state == 'failed'
            assert line() == 'notifyEmail: the report failed: bug.'
            assert failure("notifyEmail { error 'own' }").message == 'own'
            assert controller.log == ['notifyEmail: the report failed: bug.'] * 2
        }
    }

    @Test
    void 'endless data is cut, and says so'() {
        String cut = '... the rest was left out: notifyEmail sends at most 5000 values'
        // Not in the asserts: a failure would print everything.
        Closure sent = { String pipeline ->
            service.requests.clear()
            controller.run(pipeline)
            assert controller.sandbox.pending == []
            return report().mail.data
        }
        controller(trusted)
        controller.given.copies = Collections.nCopies(Integer.MAX_VALUE, 'x')
        Map data = sent('notifyEmail(data: [copies: copies, last: 1])')
        int size = data.copies.size()
        List<String> ends = [data.copies[0], data.copies.last(), data['...']]
        assert size > 4900 && size <= 5000
        assert ends == ['x', cut, cut]
        controller.given.range = (0..2000000000)
        data = sent('notifyEmail(data: [first: 1, range: range])')
        ends = [data.range.last()]
        assert data.first == 1
        assert ends == [cut]
        controller(sandboxed)
        data = sent("""
            Map knot = [:]
            for (name in ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
                knot.put(name, knot)
            }
            notifyEmail(data: knot)""")
        size = service.requests[0].body.length()
        ends = [data['...']]
        assert size < 1000000
        assert ends == [cut]
    }

    @Test
    void 'addresses may be an array'() {
        both {
            controller.run("notifyEmail(to: 'a@x.org,b@x.org'.split(','))")
            assert report().mail.to == 'a@x.org, b@x.org'
        }
    }

    @Test
    void 'a negative duration is sent as 0, and a link that is too long is left out'() {
        both {
            controller.build.set('duration', -5L)
            controller.build.url = 'https://ci.example.com/job/' + 'x' * 8192
            controller.run('notifyEmail()')
            assert report().build.duration_ms == 0
            assert !report().build.containsKey('url')
        }
    }

    @Test
    void 'a call costs two steps, and none with a trusted library'() {
        controller(sandboxed).run("node('a') { notifyEmail() }")
        assert controller.ran == ['node', 'httpRequest', 'echo']
        controller(trusted).run("node('a') { notifyEmail() }")
        assert controller.ran == ['node']
        controller(sandboxed).run("node('a') { notifyEmail(transport: 'shell') }")
        assert controller.ran == ['node', 'sh']
        store('t', 'secret')
        controller(sandboxed)
        store('t', 'secret')
        controller.run("node('a') { notifyEmail(transport: 'shell', credentialsId: 't') }")
        assert controller.ran == ['node', 'withCredentials', 'sh']
    }

    @Test
    void 'the log has the number of recipients and the status address'() {
        controller(trusted).run('notifyEmail()')
        assert line() == "notifyEmail: reported FAILURE to 1 recipient: ${service.url}/v1/reports/${harness.FakeService.ID}"
    }

    @Test
    void 'recipients are kinds, as a text or as a list, and replace the environment\'s recipients'() {
        both {
            controller.run("notifyEmail(recipients: 'developers, culprits developers')")
            assert report().mail == [recipients: ['developers', 'culprits']]
        }
        both {
            controller.run("notifyEmail(to: 'a@x.org', recipients: ['requestor', ''])")
            assert report().mail == [to: 'a@x.org', recipients: ['requestor']]
        }
        both {
            controller.run("notifyEmail(recipients: [])")
            assert report().mail == [to: 'team@example.com', to_is_default: true]
        }
    }

    @Test
    void 'a kind of recipients that does not exist is a mistake, which names those that do'() {
        both {
            assert failure("notifyEmail(recipients: 'developer')").message ==
                'notifyEmail: recipients takes one or several of developers, culprits, requestor, upstreamDevelopers, ' +
                'brokenTestsSuspects, brokenBuildSuspects, previous, contributor, suspects.'
            assert service.requests == []
        }
    }

    @Test
    void 'in the sandbox the Email Extension plugin finds the recipients, where it is installed'() {
        controller(sandboxed)
        List given = []
        controller.steps.instead.emailextrecipients = { step -> given << step.args[0]; 'c@x.org "Doe, J" <j@x.org>' }
        controller.run("notifyEmail(to: 'a@x.org', recipients: 'developers requestor')")
        assert given == [[[$class: 'DevelopersRecipientProvider'], [$class: 'RequesterRecipientProvider']]]
        assert report().mail == [to: 'a@x.org, c@x.org "Doe, J" <j@x.org>']
    }

    @Test
    void 'if the plugin finds nobody or fails, the service finds the recipients'() {
        for (Closure step in [{ '' }, { throw new IllegalArgumentException('no such provider') }]) {
            startService()
            controller(sandboxed)
            controller.steps.instead.emailextrecipients = step
            controller.run("notifyEmail(recipients: 'contributor')")
            assert report().mail == [recipients: ['contributor']]
        }
    }

    @Test
    void 'if the service is down, the short mail goes to whom the plugin finds, else to the environment\'s recipients'() {
        both {
            service.close()
            controller.run("notifyEmail(recipients: 'developers')")
            assert controller.steps.mails*.recipients == [['team@example.com']]
            controller.steps.instead.emailextrecipients = { 'c@x.org' }
            controller.run("notifyEmail(recipients: 'developers')")
            assert controller.steps.mails*.recipients == [['team@example.com'], ['c@x.org']]
        }
    }

    @Test
    void 'the log says why nobody gets a mail'() {
        controller(trusted)
        service.answers = [[status: 202, body: harness.FakeService.ACCEPTED.body.replace('received', 'skipped').replace('"a@x.org"', '')
            .replaceFirst(/}$/, ',"missing":[{"pointer":"/mail/recipients/0","detail":"developers is nobody, since no"}]}')]]
        controller.run("notifyEmail(recipients: 'developers')")
        assert controller.log == [
            "notifyEmail: reported FAILURE and nobody gets a mail: ${service.url}/v1/reports/${harness.FakeService.ID}",
            'notifyEmail: no mail: /mail/recipients/0: developers is nobody, since no.',
        ]
    }

    @Test
    void 'from and body are in the report, and the short mail has the body'() {
        both {
            controller.run("notifyEmail(from: 'Shop <shop@x.org>', body: '*Hi* ${'x' * 9000}')")
            assert report().mail.from == 'Shop <shop@x.org>'
            assert report().mail.body == '*Hi* ' + 'x' * 8187
            service.close()
            controller.run("notifyEmail(body: '*Hi*')")
            assert controller.steps.mails[0].body.contains('\n\n*Hi*\n\n')
        }
    }

    @Test
    void 'a report of a change request has its author, and says whether it comes from a fork'() {
        both {
            controller.variables.putAll(BRANCH_NAME: 'PR-7', CHANGE_ID: '7', CHANGE_TARGET: 'main', CHANGE_FORK: 'mal/shop',
                CHANGE_AUTHOR: 'mal', CHANGE_AUTHOR_DISPLAY_NAME: 'Mal', CHANGE_AUTHOR_EMAIL: 'mal@x.org')
            controller.run('notifyEmail()')
            assert report().build.contributor == [id: 'mal', name: 'Mal', email: 'mal@x.org']
            assert report().build.branch == [name: 'PR-7', change_request: [id: '7', target: 'main', from_fork: true]]
        }
        both {
            controller.variables.putAll(BRANCH_NAME: 'main')
            controller.run('notifyEmail()')
            assert report().build.keySet().disjoint(['contributor', 'branch'])
        }
    }

    @Test
    void 'two calls with different arguments are two reports'() {
        controller(trusted).run("notifyEmail(to: 'a@x.org'); notifyEmail(to: 'b@x.org')")
        assert service.reports*.mail*.to == ['a@x.org', 'b@x.org']
    }

    @Test
    void 'a repeated call sends the same bytes, except for the duration'() {
        controller(trusted).run('notifyEmail()')
        controller.build.set('duration', 99999L)
        controller.run('notifyEmail()')
        List<Map> reports = service.reports
        assert reports*.build*.duration_ms == [2358, 99999]
        reports.each { report -> report.build.remove('duration_ms') }
        assert reports[0] == reports[1]
    }

}
