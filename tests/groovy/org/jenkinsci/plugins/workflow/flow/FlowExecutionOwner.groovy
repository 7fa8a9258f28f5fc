package org.jenkinsci.plugins.workflow.flow

import harness.Controller
import hudson.model.TaskListener
import org.jenkinsci.plugins.workflow.job.WorkflowRun

/** Stands in for workflow-api's: what leads from an execution to its build. */
class FlowExecutionOwner {

    WorkflowRun getExecutable() {
        return Controller.current.run
    }

    TaskListener getListener() {
        return new TaskListener()
    }

}
