package org.jenkinsci.plugins.workflow.cps.actions

import org.jenkinsci.plugins.workflow.actions.ArgumentsAction

/** Stands in for workflow-cps': a step's arguments. In place of what Jenkins does not keep stands the reason. */
class ArgumentsActionImpl extends ArgumentsAction {

    private final Map recorded

    ArgumentsActionImpl(Map recorded) {
        this.recorded = recorded
    }

    @Override
    Map<String, Object> getArguments() {
        return recorded.collectEntries { name, value ->
            [name, NotStoredReason.values().find { reason -> reason.name() == value } ?: value]
        }
    }

}
