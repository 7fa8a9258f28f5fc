package org.jenkinsci.plugins.workflow.graph

import org.jenkinsci.plugins.workflow.actions.ErrorAction

/** Stands in for workflow-api's: a node of a build's flow graph, as it was recorded. */
abstract class FlowNode {

    protected final Map recorded
    protected final List added
    /** All nodes by their ID, which the graph's own maker fills. */
    protected final Map<String, FlowNode> graph

    FlowNode(Map recorded, List added, Map<String, FlowNode> graph) {
        this.recorded = recorded
        this.added = added
        this.graph = graph
    }

    String getId() {
        return recorded.id
    }

    List<String> getParentIds() {
        return recorded.parents
    }

    List<FlowNode> getParents() {
        return recorded.parents.collect { id -> graph[id] }
    }

    String getEnclosingId() {
        return recorded.enclosing
    }

    List<BlockStartNode> getEnclosingBlocks() {
        List<BlockStartNode> blocks = []
        for (FlowNode block = graph[enclosingId]; block != null; block = graph[block.enclosingId]) {
            blocks << (block as BlockStartNode)
        }
        return blocks
    }

    String getDisplayName() {
        return recorded.name
    }

    String getDisplayFunctionName() {
        return recorded.function
    }

    boolean isActive() {
        return recorded.active
    }

    ErrorAction getError() {
        return getPersistentAction(ErrorAction)
    }

    List getActions() {
        return added
    }

    Object getPersistentAction(Class type) {
        return added.find { action -> type.isInstance(action) }
    }

    Object getAction(Class type) {
        return getPersistentAction(type)
    }

}

abstract class BlockStartNode extends FlowNode {

    BlockStartNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

}

class FlowStartNode extends BlockStartNode {

    FlowStartNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

}

abstract class BlockEndNode extends FlowNode {

    BlockEndNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

    BlockStartNode getStartNode() {
        return graph[recorded.start]
    }

}

abstract class AtomNode extends FlowNode {

    AtomNode(Map recorded, List added, Map<String, FlowNode> graph) {
        super(recorded, added, graph)
    }

}
