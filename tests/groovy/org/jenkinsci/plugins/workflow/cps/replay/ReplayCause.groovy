package org.jenkinsci.plugins.workflow.cps.replay

import hudson.model.Cause

/** Stands in for workflow-cps'. */
class ReplayCause extends Cause {

    ReplayCause(Map recorded) {
        super(recorded)
    }

    int getOriginalNumber() {
        return shortDescription.replace('Replayed #', '') as int
    }

}
