package notifyemail

import harness.Controller
import harness.FakeService
import harness.Recording
import harness.StoredCredential
import jenkins.model.Jenkins
import jenkins.plugins.git.GitSCMSource
import org.jenkinsci.plugins.workflow.libs.GlobalLibraries
import org.jenkinsci.plugins.workflow.libs.LibraryConfiguration
import org.jenkinsci.plugins.workflow.libs.SCMSourceRetriever
import org.junit.After
import org.junit.Before

/** The base of the tests of the step: a service, and a controller that runs Pipelines. */
abstract class PipelineTest {

    // Not constants: Groovy 2.4 does not compile a closure that uses a superclass' constant.
    static boolean trusted = true
    static boolean sandboxed = false

    FakeService service
    Controller controller

    @Before
    void startService() {
        service = new FakeService()
    }

    @After
    void stopService() {
        service.close()
        GlobalLibraries.forget()
    }

    /** After every test no script waits for an administrator's approval. */
    @After
    void nothingIsPending() {
        assert controller == null || controller.sandbox.pending == []
    }

    /** Make a controller whose global variable has the service's address. */
    Controller controller(boolean trusted, String sample = '2-failure') {
        controller = new Controller(Recording.load(new File("pyservice/samples/${sample}")), trusted)
        Jenkins.globalVariables = [NOTIFY_EMAIL_URL: service.url, NOTIFY_EMAIL_TO: 'team@example.com']
        controller.variables.putAll(BUILD_URL: controller.build.url, JOB_NAME: 'shop/checkout')
        return controller
    }

    /** Make a controller that runs a build as it was recorded from inside, with a trusted library. */
    Controller inside(String name) {
        controller = new Controller(Recording.inside(name), true)
        Jenkins.globalVariables = [NOTIFY_EMAIL_URL: service.url, NOTIFY_EMAIL_TO: 'team@example.com']
        SCMSourceRetriever source = new SCMSourceRetriever(new GitSCMSource('https://git.example.com/library.git'))
        GlobalLibraries.forget()
        GlobalLibraries.get().@libraries = [new LibraryConfiguration('notify-email', source)]
        return controller
    }

    /** Run a test with a trusted and with a sandboxed library. */
    void both(Closure test) {
        [true, false].each { trust ->
            startService()
            controller(trust)
            test()
            nothingIsPending()
            stopService()
        }
    }

    /** Return the report that the service got, which has no other. */
    Map report() {
        assert service.requests.size() == 1
        return service.reports[0]
    }

    void store(String id, String token) {
        Jenkins.credentials = [new StoredCredential(id, token)]
    }

    /** Return the exception of a Pipeline that fails. */
    Throwable failure(String pipeline) {
        try {
            controller.run(pipeline)
        } catch (Throwable e) {
            return e
        }
        throw new AssertionError('The Pipeline did not fail.')
    }

    /** Return the step's line in the log, which has no other; sh may show its first command before it. */
    String line() {
        List<String> log = 'sh' in controller.ran ? controller.log - ['+ set +x'] : controller.log
        assert log.size() == 1
        assert log[0].startsWith('notifyEmail: ')
        return log[0]
    }

}
