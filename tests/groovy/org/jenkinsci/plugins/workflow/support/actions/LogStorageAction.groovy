package org.jenkinsci.plugins.workflow.support.actions

import hudson.console.AnnotatedLargeText
import org.jenkinsci.plugins.workflow.actions.WorkspaceAction

/** Stand in for workflow-support's: a step's own log, and the workspace of the step `node`. */
class LogStorageAction {

    private final AnnotatedLargeText recorded

    LogStorageAction(AnnotatedLargeText recorded) {
        this.recorded = recorded
    }

    AnnotatedLargeText getLogText() {
        return recorded
    }

}

class WorkspaceActionImpl extends WorkspaceAction {

    private final Map recorded

    WorkspaceActionImpl(Map recorded) {
        this.recorded = recorded
    }

    @Override
    String getNode() {
        return recorded.node
    }

    @Override
    String getPath() {
        return recorded.path
    }

    @Override
    Set<hudson.model.labels.LabelAtom> getLabels() {
        return recorded.labels.collect { name -> new hudson.model.labels.LabelAtom(name) } as LinkedHashSet
    }

}
