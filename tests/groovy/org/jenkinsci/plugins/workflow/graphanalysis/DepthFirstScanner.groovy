package org.jenkinsci.plugins.workflow.graphanalysis

import org.jenkinsci.plugins.workflow.graph.FlowNode

/** Stands in for workflow-api's: depth first from the heads, along the first parents, each node once. */
class DepthFirstScanner {

    List<FlowNode> allNodes(Collection<FlowNode> heads) {
        List<FlowNode> seen = []
        Set<String> ids = [] as Set
        Deque<FlowNode> next = new ArrayDeque<FlowNode>(heads)
        while (!next.empty) {
            FlowNode node = next.pop()
            if (ids.add(node.id)) {
                seen << node
                node.parents.reverse().each { parent -> next.push(parent) }
            }
        }
        return seen
    }

}
