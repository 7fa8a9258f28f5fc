package org.jenkinsci.plugins.workflow.job

/** Stands in for the raw build, which no sandboxed script may have. */
class WorkflowRun {

    final String description = 'the raw build'

}
