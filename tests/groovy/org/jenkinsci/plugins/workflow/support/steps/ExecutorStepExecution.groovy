package org.jenkinsci.plugins.workflow.support.steps

import jenkins.model.CauseOfInterruption

/** Stands in for workflow-durable-task-step's: why the step `node` lost its agent. */
class ExecutorStepExecution {

    static class RemovedNodeCause extends CauseOfInterruption { }

}
