package notifyemail

/** What ended a build: three texts that describe an exception, and nothing else of it. */
final class BuildError implements Serializable {

    private static final long serialVersionUID = 1L

    private static final String INTERRUPTION = 'org.jenkinsci.plugins.workflow.steps.FlowInterruptedException'

    /** The exception's class name. */
    final String type
    final String message
    /** The result that the exception gives the build. */
    final String result

    BuildError(String type, String message, String result) {
        this.type = type
        this.message = message
        this.result = result
    }

    @NonCPS
    static BuildError of(Throwable error) {
        String type = error.getClass().name
        String message = Texts.clean(text(error) ?: type, Texts.LONG)
        // The sandbox hides the cause of an interruption; its message names it.
        String interrupted = message.startsWith('Superseded by') ? 'NOT_BUILT' : 'ABORTED'
        return new BuildError(type, message, isInterruption(error) ? interrupted : 'FAILURE')
    }

    /** An author's own exception may fail to say it. */
    @NonCPS
    private static String text(Throwable error) {
        try {
            return error.message
        } catch (Throwable ignored) {
            return ''
        }
    }

    /** Whether somebody or something interrupted the build: such an exception is never swallowed. */
    @NonCPS
    static boolean isInterruption(Throwable error) {
        return error.getClass().name == INTERRUPTION || error instanceof InterruptedException
    }

}
