package org.jenkinsci.plugins.workflow.support.steps.input

import hudson.model.User
import jenkins.model.CauseOfInterruption

/** Stands in for pipeline-input-step's: somebody refused to go on. */
class Rejection extends CauseOfInterruption {

    User getUser() {
        return recorded.user
    }

}
