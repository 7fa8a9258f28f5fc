package org.jenkinsci.plugins.workflow.support.steps.build

import hudson.model.Cause
import jenkins.model.CauseOfInterruption

/** Stand in for pipeline-build-step's: another build's step started this one; another job's build failed. */
class BuildUpstreamCause extends Cause.UpstreamCause {

    BuildUpstreamCause(Map recorded) {
        super(recorded)
    }

}

class DownstreamFailureCause extends CauseOfInterruption { }
