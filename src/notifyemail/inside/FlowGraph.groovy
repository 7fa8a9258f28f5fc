package notifyemail.inside

import notifyemail.JsonValues
import org.jenkinsci.plugins.workflow.actions.ErrorAction
import org.jenkinsci.plugins.workflow.actions.LabelAction
import org.jenkinsci.plugins.workflow.actions.ThreadNameAction
import org.jenkinsci.plugins.workflow.actions.TimingAction
import org.jenkinsci.plugins.workflow.cps.CpsThread
import org.jenkinsci.plugins.workflow.graph.BlockEndNode
import org.jenkinsci.plugins.workflow.graph.BlockStartNode
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.graphanalysis.DepthFirstScanner

/** The flow nodes of the running build, and how they enclose each other. */
final class FlowGraph {

    static final int MAX_NODES = 20000

    /** Numeric ID → node, the oldest first: the newest nodes, and the blocks around them. */
    final TreeMap<Long, FlowNode> nodes = new TreeMap<Long, FlowNode>()
    /** A block's first node's ID → its last node. A block that still runs has none. */
    final Map<String, FlowNode> ends = [:]
    /** A node's ID → that of the block around it; '' where there is none. */
    private final Map<String, String> enclosing = [:]
    /** How many nodes the build has. */
    final int total

    FlowGraph() {
        OwnBuild.require()
        TreeMap<Long, FlowNode> older = new TreeMap<Long, FlowNode>()
        // Their order is depth first from the newest.
        for (node in new DepthFirstScanner().allNodes(CpsThread.current().execution.currentHeads)) {
            nodes.put(number(node.id), node)
        }
        total = nodes.size()
        while (nodes.size() > MAX_NODES) {
            Map.Entry<Long, FlowNode> oldest = nodes.pollFirstEntry()
            older.put(oldest.key, oldest.value)
        }
        if (!older.isEmpty()) {
            keepBlocks(older)
        }
        for (node in nodes.values()) {
            if (node instanceof BlockEndNode) {
                ends.put(node.startNode.id, node)
            }
        }
    }

    /** Keep the blocks around the nodes that are kept, as their names are a step's place. */
    @NonCPS
    private void keepBlocks(TreeMap<Long, FlowNode> older) {
        for (node in new ArrayList<FlowNode>(nodes.values())) {
            String id = enclosingId(node)
            while (id && !nodes.containsKey(number(id))) {
                FlowNode block = older.get(number(id))
                if (block == null) {
                    break
                }
                nodes.put(number(id), block)
                id = enclosingId(block)
            }
        }
    }

    @NonCPS
    private long number(String id) {
        return Long.parseLong(id)
    }

    /** Return the node with an ID; null: it is not among those that were kept. */
    @NonCPS
    FlowNode node(String id) {
        return id ? nodes.get(number(id)) : null
    }

    @NonCPS
    String enclosingId(FlowNode node) {
        String known = enclosing.get(node.id)
        if (known == null) {
            known = node.enclosingId ?: ''
            enclosing.put(node.id, known)
        }
        return known
    }

    /** Return the block around a node; null: there is none. */
    @NonCPS
    FlowNode enclosing(FlowNode node) {
        return this.node(enclosingId(node))
    }

    /** Return whether a node is a block's first one, and the block still runs. */
    @NonCPS
    boolean isOpen(FlowNode node) {
        return node instanceof BlockStartNode && !ends.containsKey(node.id)
    }

    /** Return the exception that ended a step or block; null: none did. */
    @NonCPS
    Throwable error(FlowNode node) {
        ErrorAction action = node == null ? null : node.getPersistentAction(ErrorAction)
        // Jenkins keeps a copy of an exception whose class is a Jenkinsfile's, so nothing of it is called: see OwnBuild.
        return action == null ? null : action.error
    }

    /** Return the milliseconds since 1970 when a node began; 0: unknown. */
    @NonCPS
    long startOf(FlowNode node) {
        return node == null ? 0 : TimingAction.getStartTime(node)
    }

    /** Return when a step ended, which is when the next one began; 0: it is the last one. */
    @NonCPS
    long endOf(FlowNode step) {
        for (node in nodes.tailMap(number(step.id), false).values()) {
            if (node.parentIds.contains(step.id)) {
                return startOf(node)
            }
        }
        return 0
    }

    /** Return a step's function: the name by which a Pipeline calls it, such as `sh`. */
    @NonCPS
    String function(FlowNode node) {
        String text = JsonValues.name(node.displayFunctionName)
        // A step with a label is shown as `sh (Log in)`, and a block's body as `{ (Build)`.
        int label = text.indexOf(' (')
        return label < 0 ? text : text.substring(0, label)
    }

    /** Return the name of a branch of `parallel`, of whose body this is the first node; empty: it is something else. */
    @NonCPS
    String branchName(FlowNode node) {
        ThreadNameAction branch = node.getPersistentAction(ThreadNameAction)
        return branch == null ? '' : JsonValues.name(branch.threadName)
    }

    /** Return the name of a stage, of whose body this is the first node; empty: it is something else. */
    @NonCPS
    String stageName(FlowNode node) {
        if (!(node instanceof BlockStartNode) || node.getPersistentAction(ThreadNameAction) != null) {
            return ''
        }
        LabelAction label = node.getPersistentAction(LabelAction)
        FlowNode step = label == null ? null : enclosing(node)
        return step != null && function(step) == 'stage' ? JsonValues.name(label.displayName) : ''
    }

    /** Return the names of the stages and branches around a node, the outermost first. A branch's own stage has its name. */
    @NonCPS
    List<String> place(FlowNode node) {
        List<String> names = []
        for (FlowNode block = enclosing(node); block != null; block = enclosing(block)) {
            String branch = branchName(block)
            String name = branch ?: stageName(block)
            boolean isSame = branch && names && names.get(0) == branch
            if (name && !isSame && names.size() < 50) {
                names.add(0, name)
            }
        }
        return names
    }

}
