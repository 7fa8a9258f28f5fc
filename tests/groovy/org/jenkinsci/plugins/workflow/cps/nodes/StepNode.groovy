package org.jenkinsci.plugins.workflow.cps.nodes

import org.jenkinsci.plugins.workflow.graph.AtomNode
import org.jenkinsci.plugins.workflow.graph.BlockEndNode
import org.jenkinsci.plugins.workflow.graph.BlockStartNode
import org.jenkinsci.plugins.workflow.graph.FlowNode

/** Stand in for workflow-cps': a step, and the first and last node of a block. */
class StepAtomNode extends AtomNode {

    StepAtomNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

}

class StepStartNode extends BlockStartNode {

    StepStartNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

}

class StepEndNode extends BlockEndNode {

    StepEndNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

}
