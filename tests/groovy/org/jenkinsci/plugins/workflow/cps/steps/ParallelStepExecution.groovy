package org.jenkinsci.plugins.workflow.cps.steps

import jenkins.model.CauseOfInterruption
import org.jenkinsci.plugins.workflow.actions.LabelAction
import org.jenkinsci.plugins.workflow.actions.ThreadNameAction

/** Stand in for workflow-cps': a branch of `parallel`, and what stops it when another one failed. */
class ParallelStepExecution {

    static class ParallelLabelAction extends LabelAction implements ThreadNameAction {

        private final String branch

        ParallelLabelAction(String label, String branch) {
            super(label)
            this.branch = branch
        }

        @Override
        String getThreadName() {
            return branch
        }

    }

}

class ParallelStep {

    static class FailFastCause extends CauseOfInterruption { }

}
