package org.jenkinsci.plugins.workflow.steps

import hudson.model.Result
import jenkins.model.CauseOfInterruption

/** Stands in for workflow-step-api's: an abort, a time-out, a newer build, and the failure of the step `build`. */
final class FlowInterruptedException extends InterruptedException {

    private static final long serialVersionUID = 1L

    private final String recorded
    private final List<CauseOfInterruption> reasons
    private final boolean actual

    FlowInterruptedException(String message, String result = 'ABORTED', List<CauseOfInterruption> causes = [], boolean actual = true) {
        super(message)
        this.recorded = result
        this.reasons = causes
        this.actual = actual
    }

    /** The sandbox hides it. */
    Result getResult() {
        return Result.fromString(recorded)
    }

    List<CauseOfInterruption> getCauses() {
        return reasons
    }

    boolean isActualInterruption() {
        return actual
    }

}
