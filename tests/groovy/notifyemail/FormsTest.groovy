package notifyemail

import groovy.json.JsonOutput
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** The step's forms: without a body, with an error, and around a body; each with a trusted and a sandboxed library. */
class FormsTest extends PipelineTest {

    private void both(Closure test) {
        [true, false].each { trust ->
            startService()
            controller(trust)
            test()
            nothingIsPending()
            stopService()
        }
    }

    private Map report() {
        assert service.requests.size() == 1
        return service.reports[0]
    }

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
            assert report().mail == [to: 'team@example.com']
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
                controller.steps.instead.input = { throw new FlowInterruptedException(text) }
                Throwable thrown = failure('try { input() } catch (e) { notifyEmail(error: e); throw e }')
                assert thrown instanceof FlowInterruptedException
                assert report().build.result == result
                assert report().error.message == text
            }
        }
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
            assert line() == "notifyEmail: ${service.url} refused the report (422): No."
        }
    }

    @Test
    void 'an unknown argument fails before the body runs, and the message lists the known ones'() {
        both {
            Throwable thrown = failure("notifyEmail(too: 'x') { echo 'ran' }")
            assert thrown.message == "notifyEmail has no argument 'too'. Its arguments are: to, cc, bcc, replyTo, subject, template, " +
                'data, url, credentialsId, transport, timeout, failOnError, error.'
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
            controller.build.set('currentResult', null)
            controller.steps.instead.mail = { throw new NoSuchFieldError('bug') }
            service.close()
            assert controller.run('return notifyEmail()').state == 'failed'
            assert line() == 'notifyEmail: the report failed: bug.'
            assert failure("notifyEmail { error 'own' }").message == 'own'
            assert controller.log == ['notifyEmail: the report failed: bug.'] * 2
        }
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
    void 'a call costs two steps, and one step with a trusted library'() {
        controller(sandboxed).run("node('a') { notifyEmail() }")
        assert controller.ran == ['node', 'httpRequest', 'echo']
        controller(trusted).run("node('a') { notifyEmail() }")
        assert controller.ran == ['node', 'echo']
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
