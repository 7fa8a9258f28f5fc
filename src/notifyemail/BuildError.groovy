package notifyemail

import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

import java.util.regex.Matcher

/** The exception that ended a build, as three texts. The exception itself is not kept. */
final class BuildError implements Serializable {

    private static final long serialVersionUID = 1L

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
        return new BuildError(JsonValues.className(error), text, result(error, text))
    }

    /** Return the result that an exception gives the build. An interruption has its own: that of the step `build` has its build's. */
    @NonCPS
    private static String result(Throwable error, String message) {
        if (!isInterruption(error)) {
            return 'FAILURE'
        }
        if (error instanceof FlowInterruptedException && RunningBuild.isTrusted()) {
            // A final class of Jenkins: this getter is Jenkins' own, whatever a caller passes.
            return "${error.result}"
        }
        // The sandbox hides the result and the cause; the message names the cause.
        if (message.startsWith('Superseded by')) {
            return 'NOT_BUILT'
        }
        if (message.startsWith('Downstream build was not stable')) {
            return 'FAILURE'
        }
        Matcher downstream = message =~ / completed with status ([A-Z_]+)/
        return downstream ? downstream[0][1] : 'ABORTED'
    }

    /** Return whether the exception is an interruption, which is always thrown on: most are a person's, or a time limit's. */
    @NonCPS
    static boolean isInterruption(Throwable error) {
        return error instanceof InterruptedException
    }

    /** Throw an interruption on. Everything else is the caller's to handle: a plugin's getter, for example, may throw anything. */
    @NonCPS
    static void throwInterruption(Throwable error) {
        if (isInterruption(error)) {
            throw error
        }
    }

    /** Return whether a step is missing. Jenkins' message lists all steps that are installed. */
    @NonCPS
    static boolean isMissingStep(Throwable error) {
        return error instanceof NoSuchMethodError && message(error).startsWith('No such DSL method')
    }

    /** Return whether the build did not fail, but was stopped. */
    @NonCPS
    boolean isStopped() {
        return result in ['ABORTED', 'NOT_BUILT']
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
        return isMissingStep(error) ? 'a step is not installed' : JsonValues.oneLine(message(error))
    }

}
