package org.jenkinsci.plugins.workflow.actions

import harness.Controller
import harness.Recording
import hudson.model.Result
import org.jenkinsci.plugins.workflow.cps.CpsFlowExecution
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.graphanalysis.DepthFirstScanner

/** Stand in for workflow-api's: what is known of a flow node. */
class ErrorAction {

    private final Throwable recorded

    ErrorAction(Throwable recorded) {
        this.recorded = recorded
    }

    Throwable getError() {
        return recorded
    }

    static boolean equals(Throwable one, Throwable other) {
        return one.is(other)
    }

    static FlowNode findOrigin(Throwable error, CpsFlowExecution execution) {
        Recording.read(Controller.current.build.inside.findOrigin)
        return new DepthFirstScanner().allNodes(execution.currentHeads).findAll { node ->
            node.error != null && equals(error, node.error.error)
        }.min { node -> node.id as int }
    }

}

class LabelAction {

    private final String recorded

    LabelAction(String recorded) {
        this.recorded = recorded
    }

    String getDisplayName() {
        return recorded
    }

}

interface ThreadNameAction {

    String getThreadName()

}

class WarningAction {

    private final Map recorded

    WarningAction(Map recorded) {
        this.recorded = recorded
    }

    Result getResult() {
        return Result.fromString(recorded.result)
    }

    String getMessage() {
        return Recording.read(recorded.message)
    }

}

class TagsAction {

    private final Map recorded

    TagsAction(Map recorded) {
        this.recorded = recorded
    }

    Map<String, String> getTags() {
        return recorded
    }

}

class TimingAction {

    private final long recorded

    TimingAction(long recorded) {
        this.recorded = recorded
    }

    long getStartTime() {
        return recorded
    }

    static long getStartTime(FlowNode node) {
        TimingAction action = node.getPersistentAction(TimingAction)
        return action == null ? 0 : action.startTime
    }

}

abstract class ArgumentsAction {

    enum NotStoredReason { OVERSIZE_VALUE, UNSERIALIZABLE, MASKED_VALUE }

    abstract Map<String, Object> getArguments()

    static Map<String, Object> getArguments(FlowNode node) {
        ArgumentsAction action = node.getPersistentAction(ArgumentsAction)
        return action == null ? [:] : Recording.read(action.arguments) as Map
    }

}

abstract class WorkspaceAction {

    abstract String getNode()

    abstract String getPath()

    abstract Set getLabels()

}
