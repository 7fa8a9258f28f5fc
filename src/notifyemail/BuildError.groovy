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
        String type = Texts.typeOf(error)
        String message = Texts.clean(Texts.message(error), Texts.LONG)
        // The sandbox hides the cause of an interruption; its message names it.
        String interrupted = message.startsWith('Superseded by') ? 'NOT_BUILT' : 'ABORTED'
        return new BuildError(type, message, isInterruption(error) ? interrupted : 'FAILURE')
    }

    /** Whether somebody or something interrupted the build: such an exception is never swallowed. */
    @NonCPS
    static boolean isInterruption(Throwable error) {
        return Texts.typeOf(error) == INTERRUPTION || error instanceof InterruptedException
    }

}
