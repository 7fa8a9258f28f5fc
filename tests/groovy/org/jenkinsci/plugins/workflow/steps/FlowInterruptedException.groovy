package org.jenkinsci.plugins.workflow.steps

/** Stands in for workflow-step-api's: an abort, a time-out, a newer build. */
class FlowInterruptedException extends InterruptedException {

    private static final long serialVersionUID = 1L

    FlowInterruptedException(String message) {
        super(message)
    }

}
