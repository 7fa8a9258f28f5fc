package notifyemail.inside

import org.jenkinsci.plugins.workflow.cps.CpsThread

import java.util.concurrent.Semaphore

/**
 * The gate of this package, whose objects read what the sandbox hides of the running build.
 *
 * A sandboxed Jenkinsfile may call every constructor and method of a trusted library, and read every field. So no
 * object of this package can be made, except while ControllerTransport.send reports the build in the same thread:
 * each constructor calls `require`. During that time nothing that belongs to the Jenkinsfile is called, and the
 * sandbox lets nobody use a ThreadLocal or a Semaphore.
 */
final class OwnBuild {

    /** How often one build can be reported, until the controller restarts. Each build has its own copy of this class. */
    static final int MAX_REPORTS = 100

    static final ThreadLocal<Boolean> REPORTING = new ThreadLocal<Boolean>()
    static final Semaphore REPORTS_LEFT = new Semaphore(MAX_REPORTS)

    private OwnBuild() {
        throw new IllegalStateException('there is no such object')
    }

    /** Fail, unless the running build is being reported. */
    @NonCPS
    static void require() {
        if (REPORTING.get() != true) {
            throw new IllegalStateException('only the step notifyEmail reads a build from inside')
        }
    }

    /** Return the running build, of which no caller may choose another. */
    @NonCPS
    static Object run() {
        require()
        return CpsThread.current().execution.owner.executable
    }

}
