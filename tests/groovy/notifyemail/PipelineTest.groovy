package notifyemail

import harness.Controller
import harness.FakeService
import harness.Recording
import harness.StoredCredential
import jenkins.model.Jenkins
import org.junit.After
import org.junit.Before

/** What the tests of the step share: a service, and Pipelines on a controller. */
abstract class PipelineTest {

    // Not constants: the compiler of Groovy 2.4 stumbles over those of a superclass in a closure.
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
    }

    /** Whatever happened: nothing waits for an administrator's approval. */
    @After
    void nothingIsPending() {
        assert controller == null || controller.sandbox.pending == []
    }

    /** A controller whose global variable names the service. */
    Controller controller(boolean trusted, String sample = '2-failure') {
        controller = new Controller(Recording.load(new File("pyservice/samples/${sample}")), trusted)
        Jenkins.globalVariables = [NOTIFY_EMAIL_URL: service.url, NOTIFY_EMAIL_TO: 'team@example.com']
        controller.variables.putAll(BUILD_URL: controller.build.url, JOB_NAME: 'shop/checkout')
        return controller
    }

    void store(String id, String token) {
        Jenkins.credentials = [new StoredCredential(id, token)]
    }

    /** What the Pipeline threw. */
    Throwable failure(String pipeline) {
        try {
            controller.run(pipeline)
        } catch (Throwable e) {
            return e
        }
        throw new AssertionError('It did not fail')
    }

    /** The one line of the log that tells of a failure. */
    String line() {
        assert controller.log.size() == 1
        assert controller.log[0].startsWith('notifyEmail: ')
        return controller.log[0]
    }

}
