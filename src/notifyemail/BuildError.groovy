package notifyemail

/** The exception that ended a build, as three texts. The exception itself is not kept. */
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
    static BuildError from(Throwable error) {
        String text = JsonValues.text(message(error), JsonValues.MAX_MESSAGE)
        // The sandbox hides the cause of an interruption; its message names it.
        String interrupted = text.startsWith('Superseded by') ? 'NOT_BUILT' : 'ABORTED'
        return new BuildError(JsonValues.className(error), text, isInterruption(error) ? interrupted : 'FAILURE')
    }

    /** Return whether a person or a time limit interrupted the build. Such an exception is always thrown on. */
    @NonCPS
    static boolean isInterruption(Throwable error) {
        return JsonValues.className(error) == INTERRUPTION || error instanceof InterruptedException
    }

    /** Return an exception's message, or its class name where it has none or, as an author's class may, throws. */
    @NonCPS
    static String message(Throwable error) {
        try {
            return error.message ?: JsonValues.className(error)
        } catch (Throwable ignored) {
            return JsonValues.className(error)
        }
    }

    /** Return the message on one line. A missing step's would list every step that is installed. */
    @NonCPS
    static String reason(Throwable error) {
        return error instanceof NoSuchMethodError ? 'a step is not installed' : JsonValues.oneLine(message(error))
    }

}
