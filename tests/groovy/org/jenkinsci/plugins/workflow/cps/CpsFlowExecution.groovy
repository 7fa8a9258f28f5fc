package org.jenkinsci.plugins.workflow.cps

import harness.Controller
import org.jenkinsci.plugins.workflow.flow.FlowExecutionOwner
import org.jenkinsci.plugins.workflow.graph.FlowNode

/** Stands in for workflow-cps': a Pipeline that runs. */
class CpsFlowExecution {

    FlowExecutionOwner getOwner() {
        return new FlowExecutionOwner()
    }

    List<FlowNode> getCurrentHeads() {
        return Controller.current.build.graph.heads
    }

}
