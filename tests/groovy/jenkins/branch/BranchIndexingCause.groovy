package jenkins.branch

import hudson.model.Cause

/** Stands in for branch-api's. */
class BranchIndexingCause extends Cause {

    BranchIndexingCause(Map recorded) {
        super(recorded)
    }

}
