package notifyemail.inside

import notifyemail.JsonValues
import org.jenkinsci.plugins.workflow.actions.TagsAction
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.graph.BlockStartNode
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The build's stages, and the branches of `parallel` that are not named like a stage of their own. */
final class Stages {

    static final int MAX_STAGES = 500
    private static final String MATRIX = 'Matrix - '
    /** Statuses, best first, as far as warnings give them. */
    private static final List<String> WARNINGS = Collections.unmodifiableList(['SUCCESS', 'UNSTABLE', 'FAILURE'])

    private final FlowGraph graph
    /** A block's ID → the worst result of the warnings inside. */
    private final Map<String, String> warnings = [:]
    /** A stage's ID, '' for the outermost level → the IDs of the stages inside, in their order. */
    private final Map<String, List<String>> children = [:]
    private final Map<String, Map> stages = [:]
    /** IDs of the branches that have a stage of the same name around their steps, as Declarative's have. */
    private final Set<String> branchesWithStage = [] as Set

    Stages(FlowGraph graph) {
        OwnBuild.require()
        this.graph = graph
    }

    /** Return the contract's `stages`: each stage is followed by those inside of it. */
    @NonCPS
    List<Map> read() {
        collectWarnings()
        collectBranches()
        for (node in graph.nodes.values()) {
            if (node instanceof BlockStartNode) {
                add(node)
            }
        }
        List<Map> ordered = []
        LinkedList<String> next = new LinkedList<String>(children.get('') ?: [])
        while (!next.isEmpty()) {
            String id = next.removeFirst()
            ordered << stages.get(id)
            next.addAll(0, children.get(id) ?: [])
        }
        return ordered
    }

    @NonCPS
    private void collectWarnings() {
        for (node in graph.nodes.values()) {
            WarningAction warning = node.getPersistentAction(WarningAction)
            String result = warning == null ? null : "${warning.result}"
            for (FlowNode block = graph.enclosing(node); result && block != null; block = graph.enclosing(block)) {
                String known = warnings.get(block.id) ?: 'SUCCESS'
                if (WARNINGS.indexOf(result) > WARNINGS.indexOf(known)) {
                    warnings.put(block.id, result)
                }
            }
        }
    }

    @NonCPS
    private void collectBranches() {
        for (node in graph.nodes.values()) {
            String name = graph.stageName(node)
            FlowNode branch = name ? graph.enclosing(graph.enclosing(node)) : null
            if (branch != null && graph.branchName(branch) == name) {
                branchesWithStage << branch.id
            }
        }
    }

    @NonCPS
    private void add(BlockStartNode node) {
        String branch = graph.branchName(node)
        String name = branch ?: graph.stageName(node)
        if (!name || node.id in branchesWithStage) {
            return
        }
        String status = status(node)
        Map<String, String> tags = tags(node)
        if (tags.get('SYNTHETIC_STAGE') && !(status in ['FAILURE', 'ABORTED'])) {
            return
        }
        Map stage = [name: name, status: status, id: node.id]
        FlowNode parent = parent(node)
        if (parent != null) {
            stage.parent = parent.id
        }
        String around = branch ?: branchAround(node)
        if (around) {
            stage.branch = around
            Map<String, String> cell = cell(around)
            if (cell) {
                stage.cell = cell
            }
        }
        addTimes(stage, node)
        stages.put(node.id, stage)
        String key = parent == null ? '' : parent.id
        if (!children.containsKey(key)) {
            children.put(key, [])
        }
        children.get(key).add(node.id)
    }

    /** Return the next stage or branch around a node that is among the stages; null: there is none. */
    @NonCPS
    private FlowNode parent(FlowNode node) {
        for (FlowNode block = graph.enclosing(node); block != null; block = graph.enclosing(block)) {
            if (stages.containsKey(block.id)) {
                return block
            }
        }
        return null
    }

    @NonCPS
    private String branchAround(FlowNode node) {
        for (FlowNode block = graph.enclosing(node); block != null; block = graph.enclosing(block)) {
            String name = graph.branchName(block)
            if (name) {
                return name
            }
        }
        return ''
    }

    @NonCPS
    private Map<String, String> tags(FlowNode node) {
        TagsAction action = node.getPersistentAction(TagsAction)
        return action == null ? [:] : action.tags
    }

    @NonCPS
    private void addTimes(Map stage, FlowNode node) {
        long start = graph.startOf(node)
        if (stage.status != 'NOT_BUILT' && start > 0) {
            stage.started_at = start
            FlowNode end = graph.ends.get(node.id)
            if (end != null) {
                stage.duration_ms = Math.max(0L, graph.startOf(end) - start)
            }
        }
    }

    /** Return a stage's status. Of Declarative's tags only those are true that say that it was skipped. */
    @NonCPS
    private String status(FlowNode node) {
        if (tags(node).get('STAGE_STATUS')?.startsWith('SKIPPED_')) {
            return 'NOT_BUILT'
        }
        FlowNode end = graph.ends.get(node.id)
        if (end == null) {
            return 'IN_PROGRESS'
        }
        Throwable error = graph.error(end)
        if (error == null) {
            return warnings.get(node.id) ?: 'SUCCESS'
        }
        if (error instanceof FlowInterruptedException) {
            String result = "${error.result}"
            return result in ['FAILURE', 'UNSTABLE'] ? result : 'ABORTED'
        }
        return error instanceof InterruptedException ? 'ABORTED' : 'FAILURE'
    }

    /** Return the axes and values in the name of a matrix cell's branch, such as `Matrix - OS = 'linux', JDK = '17'`. */
    @NonCPS
    private Map<String, String> cell(String branch) {
        Map<String, String> cell = [:]
        if (!branch.startsWith(MATRIX) || !branch.endsWith("'")) {
            return cell
        }
        for (axis in branch.substring(MATRIX.length(), branch.length() - 1).split("', ")) {
            int equals = axis.indexOf(" = '")
            if (equals <= 0 || cell.size() >= 20) {
                return [:]
            }
            cell.put(JsonValues.name(axis.substring(0, equals)), JsonValues.name(axis.substring(equals + 4)))
        }
        return cell
    }

}
