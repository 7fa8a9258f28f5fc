package notifyemail

import org.jenkinsci.plugins.workflow.cps.CpsThread
import org.jenkinsci.plugins.workflow.cps.EnvActionImpl
import org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper

/**
 * The build that runs this code, as the Pipeline variables `currentBuild` and `env` show it.
 *
 * A sandboxed Jenkinsfile can call everything in a trusted library, private methods included, with
 * arguments of its choice. So a trusted library reads nothing from an object that a caller passes: the
 * build is that of the running Pipeline thread, and `script` is ignored. In a sandboxed library it is the
 * script's own, and the sandbox checks each read.
 */
final class RunningBuild implements Serializable {

    private static final long serialVersionUID = 1L

    /** Return `currentBuild`. The sandbox lets no caller read the raw build from it. */
    @NonCPS
    static Object currentBuild(Script script) {
        return isTrusted() ? new RunWrapper(CpsThread.current().execution.owner.executable, true) : script.currentBuild
    }

    /** Return `env`, with the variables of the blocks around the call. */
    @NonCPS
    static Object env(Script script) {
        return isTrusted() ? EnvActionImpl.forRun(CpsThread.current().execution.owner.executable) : script.env
    }

    /**
     * Return whether this library runs outside of the sandbox. It tries nothing that the sandbox would refuse:
     * even a refusal that is caught becomes a pending script approval.
     */
    @NonCPS
    static boolean isTrusted() {
        try {
            return ''.noSuchPropertyOfAString != null
        } catch (Exception e) {
            return "${e.message}".startsWith('No such property')
        }
    }

    @NonCPS
    static boolean isInsideNode(Script script) {
        Object env = env(script)
        return env.NODE_NAME && env.WORKSPACE
    }

    /** Write a line in the running build's log. In a trusted library only: there it costs no step, as `echo` would. */
    @NonCPS
    static void print(String line) {
        CpsThread.current().execution.owner.listener.logger.println(line)
    }

}
