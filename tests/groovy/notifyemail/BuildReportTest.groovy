package notifyemail

import harness.RecordedChange
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** What a report says of a build of which Jenkins or a plugin can't say everything. */
class BuildReportTest extends PipelineTest {

    /** What a plugin's getter may throw: Errors too, as after an update that does not fit another plugin's. */
    private static final List<Throwable> FAILURES = [
        new IllegalStateException('broken'), new NullPointerException(), new NoSuchMethodError('hudson.Plugin.getX()'),
        new NoClassDefFoundError('hudson/plugins/x/Y'), new StackOverflowError(),
    ]

    private static RecordedChange change(Map members = [:]) {
        Map all = [commitId: 'abc', msg: 'Fix it', timestamp: 1000L, affectedPaths: ['a.txt'],
                   author: new RecordedChange(fullName: 'Ada', id: 'ada')]
        return new RecordedChange(all + members)
    }

    private static RecordedChange changeSet(Object items) {
        return new RecordedChange(items: items)
    }

    @Test
    void 'a getter of a change that throws costs its own value'() {
        Map whole = [id: 'abc', message: 'Fix it', at: 1000, paths: ['a.txt'], author: 'Ada', author_id: 'ada']
        Map<String, Closure> broken = [
            id: { e -> change(commitId: e) }, message: { e -> change(msg: e) }, at: { e -> change(timestamp: e) },
            paths: { e -> change(affectedPaths: e) },
            author: { e -> change(author: new RecordedChange(fullName: e, id: 'ada')) },
            author_id: { e -> change(author: new RecordedChange(fullName: 'Ada', id: e)) },
        ]
        Map instead = [id: '?', message: '?', author: '?', paths: []]
        both {
            List changes = []
            List expected = []
            broken.each { member, make ->
                changes.addAll(FAILURES.collect { e -> make(e) })
                Map rest = whole.findAll { name, value -> name != member }
                rest.putAll(instead.findAll { name, value -> name == member })
                expected.addAll([rest] * FAILURES.size())
            }
            controller.build.set('changeSets', [changeSet(changes), changeSet([change(author: new NoSuchMethodError('x'))])])
            controller.run('notifyEmail()')
            List items = report().changes.items
            assert items == expected + [whole - [author: 'Ada', author_id: 'ada'] + [author: '?']]
            assert report().changes.total == items.size()
        }
    }

    @Test
    void 'a value of a change that is missing or not usable is left out'() {
        both {
            List changes = [
                change(commitId: null, msg: null, timestamp: null, affectedPaths: null, author: null), null,
                change(timestamp: -1L, affectedPaths: ['b.txt', null], author: new RecordedChange(fullName: ' ', id: '')),
                change(timestamp: Long.MAX_VALUE, affectedPaths: 5, author: new RecordedChange(fullName: null, id: null)),
            ]
            controller.build.set('changeSets', [null, changeSet(null), changeSet(changes)])
            controller.run('notifyEmail()')
            assert report().changes == [total: 3, items: [
                [id: '?', message: '', author: '', paths: []],
                [id: 'abc', message: 'Fix it', author: '', paths: ['b.txt', '?']],
                [id: 'abc', message: 'Fix it', author: '', paths: ['5']],
            ]]
        }
    }

    @Test
    void 'a change set that can not be read is a line that says so'() {
        both {
            Map unreadable = [id: '?', message: "Jenkins can't read these changes: broken", author: '', paths: []]
            controller.build.set('changeSets', [changeSet(new IllegalStateException('broken')), changeSet([change()])])
            controller.run('notifyEmail()')
            assert service.reports[0].changes.items*.message == [unreadable.message, 'Fix it']
            assert service.reports[0].changes.items[0] == unreadable
            controller.build.set('changeSets', new LinkageError('broken'))
            controller.run('notifyEmail()')
            assert service.reports[1].changes == [total: 1, items: [unreadable]]
        }
    }

    @Test
    void 'endless and huge collections are cut'() {
        both {
            Iterable endless = { [hasNext: { true }, next: { 'again.txt' }] as Iterator } as Iterable
            controller.build.set('changeSets', [changeSet([change(affectedPaths: endless)] * 12000)])
            controller.run('notifyEmail()')
            assert report().changes.total == 10000
            assert report().changes.items.size() == (controller.trusted ? 200 : 100)
            assert report().changes.items[0].paths == ['again.txt'] * 50
        }
    }

    @Test
    void 'a getter of the build that throws costs its own value'() {
        Map<String, String> members = [duration: 'duration_ms', displayName: 'display_name', fullDisplayName: 'full_display_name',
                                       description: 'description', previousCompletedBuild: 'previous_result']
        FAILURES.each { e ->
            both {
                controller.run('notifyEmail()')
                Map whole = service.reports[0].build
                members.keySet().each { getter -> controller.build.set(getter, e) }
                controller.build.set('buildCauses', e)
                controller.run('notifyEmail()')
                Map build = service.reports[1].build
                assert build == whole.findAll { name, value -> !(name in members.values()) } + [causes: build.causes]
                assert build.causes.size() == 1
                assert build.causes[0].text.startsWith("Jenkins can't say why it started: ")
            }
        }
    }

    @Test
    void 'what is empty is left out'() {
        both {
            ['displayName', 'fullDisplayName', 'description'].each { getter -> controller.build.set(getter, '') }
            controller.build.set('duration', null)
            controller.build.url = 'ci.example.com/job/shop/job/checkout/2/'
            controller.build.set('buildCauses', net.sf.json.JSONArray.fromObject([
                [_class: 'hudson.model.Cause$UserIdCause', shortDescription: ' '], [_class: 'x.Y', shortDescription: null],
                [shortDescription: 'Started by hand'], [:],
            ]))
            controller.run("stage(' ') { notifyEmail(error: new Exception('x')) }")
            Map build = report().build
            ['display_name', 'full_display_name', 'description', 'duration_ms', 'url'].each { member ->
                assert !build.containsKey(member)
            }
            assert build.causes == [[type: '?', text: 'Started by hand']]
            assert !report().error.containsKey('stage')
        }
    }

    @Test
    void 'builds that were aborted or not built say nothing about the build before'() {
        [[['SUCCESS', 'FAILURE'], 'SUCCESS'], [['ABORTED', 'FAILURE'], 'FAILURE'], [['NOT_BUILT', 'ABORTED', null, 'UNSTABLE'], 'UNSTABLE'],
         [[new IllegalStateException('deleted'), 'FAILURE'], 'FAILURE'], [[new LinkageError('x'), 'ABORTED'], null],
         [['ABORTED'] * 29 + ['FAILURE'], 'FAILURE'], [['ABORTED'] * 30 + ['FAILURE'], null], [[], null]].each { results, before ->
            both {
                controller.build.resultsBefore = results
                controller.run('notifyEmail()')
                assert report().build.previous_result == before
            }
        }
    }

    @Test
    void 'without a part that no report lacks Jenkins mails itself, for the true reason'() {
        ['fullProjectName', 'number', 'currentResult', 'startTimeInMillis'].each { getter ->
            FAILURES.each { e ->
                both {
                    controller.build.set(getter, e)
                    assert controller.run('return notifyEmail()').state == 'mailed'
                    String reason = e.message ?: e.getClass().name
                    assert line() == "notifyEmail: the controller tried: the build can't be described: ${reason}. " +
                        "Jenkins' own mail step sent a short mail instead."
                    assert controller.steps.mails[0].body.endsWith(
                        "because the report could not be sent: the build can't be described: ${reason}.")
                    assert controller.steps.mails[0].subject.contains('shop » checkout #2')
                    assert service.requests == []
                }
            }
        }
    }

    @Test
    void 'of a build that can not be read at all the short mail has what the step knows'() {
        both {
            ['fullProjectName', 'number', 'currentResult', 'fullDisplayName'].each { getter ->
                controller.build.set(getter, new NoSuchMethodError('broken'))
            }
            failure("notifyEmail { error 'no disk' }")
            assert line().contains("the build can't be described: broken. Jenkins' own mail step sent")
            Map mail = controller.steps.mails[0]
            assert mail.subject == 'FAILURE: Jenkins can not say which build'
            assert mail.body.startsWith("${mail.subject}\nno disk\n${controller.build.url}\n")
        }
    }

    @Test
    void 'a mail step that breaks does not hide why there is no report'() {
        [new NoSuchFieldError('broken'), new NoClassDefFoundError('broken'), new NoSuchMethodError('broken')].each { e ->
            both {
                service.close()
                controller.steps.instead.mail = { throw e }
                assert controller.run('return notifyEmail()').state == 'failed'
                assert line().startsWith("notifyEmail: the controller tried: connection refused at ${service.url}: ")
                assert line().endsWith("Jenkins' own mail step failed too: broken.")
            }
        }
    }

    @Test
    void 'a plugin of a step that breaks is not a step that is missing'() {
        controller(sandboxed)
        controller.steps.instead.httpRequest = { throw new NoSuchMethodError('org.apache.http.X.y()') }
        assert controller.run('return notifyEmail()').state == 'mailed'
        assert line().contains('httpRequest failed: org.apache.http.X.y()')
    }

    @Test
    void 'an interruption is thrown on wherever it comes'() {
        [msg: { e -> [changeSet([change(msg: e)])] }, items: { e -> [changeSet(e)] }, changeSets: { e -> e }].each { name, make ->
            [new FlowInterruptedException('Aborted by Ada'), new InterruptedException('stopped')].each { e ->
                both {
                    controller.build.set('changeSets', make(e))
                    assert failure('notifyEmail()').is(e)
                    assert controller.steps.mails == []
                    assert service.requests == []
                }
            }
        }
        ['displayName', 'buildCauses', 'previousCompletedBuild', 'fullProjectName'].each { getter ->
            both {
                controller.build.set(getter, new FlowInterruptedException('Aborted by Ada'))
                assert failure('notifyEmail()') instanceof FlowInterruptedException
            }
        }
    }

    @Test
    void 'people read the name of a branch decoded, and links keep theirs'() {
        both {
            service.close()
            controller.build.set('fullProjectName', 'wallet/feature%2Flogin-page')
            controller.build.set('fullDisplayName', 'wallet » feature/login-page #3')
            controller.variables.BUILD_URL = 'https://ci.example.com/job/wallet/job/feature%252Flogin-page/3/'
            controller.run('notifyEmail()')
            Map mail = controller.steps.mails[0]
            assert mail.subject == 'FAILURE: wallet » feature/login-page #3'
            assert mail.body.contains('/job/feature%252Flogin-page/3/')
            assert !(mail.subject + mail.body.replace('%252F', '') + line()).contains('%2F')
        }
    }

}
