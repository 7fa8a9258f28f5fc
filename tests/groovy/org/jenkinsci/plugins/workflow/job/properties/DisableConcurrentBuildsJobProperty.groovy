package org.jenkinsci.plugins.workflow.job.properties

import jenkins.model.CauseOfInterruption

/** Stands in for workflow-job's: a newer build stopped this one. */
class DisableConcurrentBuildsJobProperty {

    static class CancelledCause extends CauseOfInterruption { }

}
