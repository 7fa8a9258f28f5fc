package org.jenkinsci.plugins.workflow.steps

import jenkins.model.CauseOfInterruption

/** Stands in for workflow-basic-steps': the step `timeout` stopped its body. */
class TimeoutStepExecution {

    static class ExceededTimeout extends CauseOfInterruption { }

}
