package harness

import hudson.AbortException
import hudson.console.AnnotatedLargeText
import hudson.model.User
import jenkins.model.CauseOfInterruption
import org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException as Refused
import org.jenkinsci.plugins.workflow.actions.ErrorAction
import org.jenkinsci.plugins.workflow.actions.LabelAction
import org.jenkinsci.plugins.workflow.actions.TagsAction
import org.jenkinsci.plugins.workflow.actions.TimingAction
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.cps.actions.ArgumentsActionImpl
import org.jenkinsci.plugins.workflow.cps.nodes.StepAtomNode
import org.jenkinsci.plugins.workflow.cps.nodes.StepEndNode
import org.jenkinsci.plugins.workflow.cps.nodes.StepStartNode
import org.jenkinsci.plugins.workflow.cps.steps.ParallelStepExecution
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.graph.FlowStartNode
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.jenkinsci.plugins.workflow.support.actions.LogStorageAction
import org.jenkinsci.plugins.workflow.support.actions.WorkspaceActionImpl

/** A build's flow graph, made from a recording. An exception is one object wherever it stands, as in a build that runs. */
class RecordedGraph {

    private static final Map<String, Class> KINDS = [
        FlowStartNode: FlowStartNode, StepStartNode: StepStartNode, StepEndNode: StepEndNode, StepAtomNode: StepAtomNode,
    ]
    private static final int NOTE = 11

    final Map<String, FlowNode> nodes = [:]
    private final Map<String, Map> recorded = [:]
    /** Node's ID → its exception. */
    private final Map<String, Throwable> errors = [:]
    private final List<String> headIds
    private final Recording build

    RecordedGraph(Recording build) {
        this.build = build
        headIds = build.inside.heads
        build.inside.nodes.each { node -> recorded[node.id] = node }
        build.inside.nodes.each { node ->
            nodes[node.id] = KINDS[node.kind].newInstance(node, actions(node), nodes)
        }
    }

    List<FlowNode> getHeads() {
        return headIds.collect { id -> nodes[id] }
    }

    private List actions(Map node) {
        List actions = []
        if (node.at) {
            actions << new TimingAction(node.at as long)
        }
        if (node.thread) {
            actions << new ParallelStepExecution.ParallelLabelAction(node.label, node.thread)
        } else if (node.label) {
            actions << new LabelAction(node.label)
        }
        if (node.error) {
            actions << new ErrorAction(error(node))
        }
        if (node.warning) {
            actions << new WarningAction(node.warning)
        }
        if (node.tags) {
            actions << new TagsAction(node.tags)
        }
        if (node.arguments) {
            actions << new ArgumentsActionImpl(node.arguments)
        }
        if (node.log) {
            actions << new LogStorageAction(log(node.log))
        }
        if (node.workspace || node.kind == 'StepStartNode' && node.function == 'node') {
            actions << new WorkspaceActionImpl(node.workspace ?: [node: '', path: '/var/jenkins_home/workspace', labels: []])
        }
        return actions
    }

    /** Return a node's exception: that of the block inside which it came from, or which was the reason to skip the block. */
    private Throwable error(Map node) {
        if (node.kind != 'StepAtomNode') {
            List<Map> same = errors.keySet().collect { id -> recorded[id] }.findAll { other ->
                other.error.type == node.error.type && other.error.message == node.error.message
            }
            List<Map> inside = same.findAll { other -> isInside(other, node.start) }
            if (inside || same) {
                // Of a parallel it is the exception of the branch that failed first.
                Map branch = node.function == '// parallel' ? inside.find { other -> other.enclosing == node.start } : null
                return errors[node.id] = errors[(branch ?: (inside ?: same).last()).id]
            }
        }
        return errors[node.id] = exception(node.error)
    }

    private boolean isInside(Map node, String block) {
        for (Map around = node; around != null; around = recorded[around.enclosing]) {
            if (around.enclosing == block || around.start == block) {
                return true
            }
        }
        return false
    }

    private Throwable exception(Map error) {
        switch (error.type) {
            case 'hudson.AbortException':
                return new AbortException(error.message)
            case FlowInterruptedException.name:
                List causes = error.causes.collect { cause -> stoppedBy(cause.type, cause) }
                return new FlowInterruptedException(error.message, error.result, causes, error.actualInterruption)
            case 'java.lang.NullPointerException':
                return new NullPointerException(error.message)
            case 'java.lang.NoSuchMethodError':
                return new NoSuchMethodError(error.message)
            case 'groovy.lang.MissingPropertyException':
                return new MissingPropertyException(error.message as String)
            default:
                assert error.type == Refused.name
                return new Refused(error.message)
        }
    }

    CauseOfInterruption stoppedBy(String type, Map cause) {
        User user = cause.user ? build.user(cause.user) : null
        CauseOfInterruption made = RecordedGraph.classLoader.loadClass(type).newInstance() as CauseOfInterruption
        made.recorded = cause + [user: user]
        return made
    }

    /** Return a step's log with the bytes that were recorded: what is missing in the text are Jenkins' notes. */
    static AnnotatedLargeText log(Map log) {
        if (log.text instanceof AnnotatedLargeText) {
            return log.text
        }
        byte[] text = log.tail.getBytes('UTF-8')
        int notes = (log.bytes as int) - text.length
        String note = notes >= NOTE ? "\u001b[8mha:${'A' * (notes - NOTE)}\u001b[0m" : ''
        return new AnnotatedLargeText((note.getBytes('UTF-8') as List<Byte>) + (text as List<Byte>) as byte[])
    }

    /** Return the whole build's log: what Jenkins writes about each node, and its own log. */
    AnnotatedLargeText wholeLog() {
        StringBuilder text = new StringBuilder()
        recorded.values().each { node ->
            if (node.kind != 'FlowStartNode') {
                text << "[Pipeline] ${node.function}\n" << (node.log?.tail ?: '')
            }
        }
        return new AnnotatedLargeText(text.toString().getBytes('UTF-8'))
    }

}
