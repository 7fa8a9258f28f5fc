package org.jenkinsci.plugins.pipeline.modeldefinition.causes

import hudson.model.Cause

/** Stands in for pipeline-model-definition's. */
class RestartDeclarativePipelineCause extends Cause {

    RestartDeclarativePipelineCause(Map recorded) {
        super(recorded)
    }

    int getOriginRunNumber() {
        return recorded.number as int
    }

    String getOriginStage() {
        return recorded.stage
    }

}
