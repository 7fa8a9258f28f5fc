package notifyemail.inside

import notifyemail.BuildError
import notifyemail.JsonValues
import org.jenkinsci.plugins.workflow.actions.ArgumentsAction
import org.jenkinsci.plugins.workflow.actions.ErrorAction
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.actions.WorkspaceAction
import org.jenkinsci.plugins.workflow.cps.CpsThread
import org.jenkinsci.plugins.workflow.graph.AtomNode
import org.jenkinsci.plugins.workflow.graph.BlockEndNode
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.support.actions.LogStorageAction

/**
 * What ended the build: the exception that ended the outermost failed block, and the step where it began. An exception
 * that the Pipeline caught on the way does not count.
 */
final class Failure {

    /** Bytes of the failing step's own log. */
    static final int MAX_LOG = 65536
    /** Step → its argument that the report has. Others, such as those of withEnv, may be secrets. */
    private static final Map<String, String> COMMANDS = Collections.unmodifiableMap([
        sh: 'script', bat: 'script', powershell: 'script', pwsh: 'script', error: 'message', build: 'job'])

    private final FlowGraph graph
    /** What the author, or the step's form with a body, says of the exception; null: nothing. */
    private final BuildError given
    /** The build's result. */
    private final String result

    /** The exception that ended the build; null: none did. */
    final Throwable error
    /** The node where it began: a step, or the end of a block of which the Jenkinsfile itself failed; null: unknown. */
    final FlowNode origin

    Failure(FlowGraph graph, BuildError given, String result) {
        OwnBuild.require()
        this.graph = graph
        this.given = given
        this.result = result
        error = findError()
        origin = error == null ? null : ErrorAction.findOrigin(error, CpsThread.current().execution)
    }

    @NonCPS
    private Throwable findError() {
        if (result == 'SUCCESS') {
            return null
        }
        Throwable found = null
        if (given != null || result != 'UNSTABLE') {
            for (node in graph.nodes.values()) {
                Throwable candidate = graph.error(node)
                if (candidate != null && isThrownOut(node) && (given == null || isGiven(candidate))) {
                    // Not an exception of a step that the Pipeline may have caught, if one has ended a block.
                    found = node instanceof AtomNode && found != null && given == null ? found : candidate
                }
            }
        }
        return found == null && given == null ? caughtError() : found
    }

    /** Return whether an exception left a node for the outermost blocks that have ended, or for a block that still runs. */
    @NonCPS
    private boolean isThrownOut(FlowNode node) {
        FlowNode block = graph.enclosing(node)
        return block == null || graph.isOpen(block)
    }

    /** Return whether this is the exception that was handed over, or is named by it. */
    @NonCPS
    private boolean isGiven(Throwable candidate) {
        String text = JsonValues.text(BuildError.message(candidate), JsonValues.MAX_MESSAGE)
        return text && (text.contains(given.message) || given.message.contains(text))
    }

    /** Return the last exception that made the build what it is though it was caught, as by catchError. */
    @NonCPS
    private Throwable caughtError() {
        Throwable found = null
        for (node in graph.nodes.values()) {
            WarningAction warning = node.getPersistentAction(WarningAction)
            Throwable caught = warning == null ? null : graph.error(node)
            if (caught != null && node instanceof BlockEndNode) {
                found = caught
            }
        }
        return found
    }

    /** Return the contract's `error`; null: there is none. */
    @NonCPS
    Map read() {
        if (error == null) {
            return null
        }
        Map failure = [type: JsonValues.name(JsonValues.className(error)), message: message()]
        if (origin != null) {
            failure.step = step()
            if (failure.step.place) {
                failure.stage = failure.step.place.last()
            }
        }
        return failure
    }

    @NonCPS
    private String message() {
        String text = BuildError.message(error)
        if (BuildError.isMissingStep(error)) {
            // The rest lists every step that is installed.
            text = text.split(' found among ')[0]
        }
        return PlainText.withoutPasswords(JsonValues.text(text, JsonValues.MAX_MESSAGE))
    }

    @NonCPS
    private Map step() {
        // A block step that failed itself has its end as origin, and a block's body of which the Jenkinsfile failed, too.
        boolean isBody = origin instanceof BlockEndNode && graph.function(origin) == '}'
        FlowNode node = origin instanceof BlockEndNode && !isBody ? origin.startNode : origin
        Map step = [function: isBody ? '' : graph.function(node), place: graph.place(isBody ? origin.startNode : node)]
        if (isBody) {
            FlowNode body = origin.startNode
            String name = graph.branchName(body) ?: graph.stageName(body)
            step.place = name && step.place != [] && step.place.last() == name ? step.place : step.place + (name ? [name] : [])
        } else {
            step.id = node.id
            step.name = JsonValues.name(node.displayName)
            addArguments(step, node)
            addLog(step, node)
            addTimes(step, node)
        }
        addAgent(step)
        return step
    }

    @NonCPS
    private void addArguments(Map step, FlowNode node) {
        String argument = COMMANDS.get(step.function)
        if (!argument) {
            return
        }
        Map arguments = ArgumentsAction.getArguments(node)
        Object command = arguments.get(argument)
        // Jenkins keeps something else in place of a text that is too long.
        if (command instanceof String) {
            step.command = PlainText.withoutPasswords(JsonValues.text(command, JsonValues.MAX_MESSAGE))
        }
        Object label = arguments.get('label')
        if (label instanceof String) {
            step.label = JsonValues.name(label)
        }
    }

    @NonCPS
    private void addLog(Map step, FlowNode node) {
        LogStorageAction action = node.getPersistentAction(LogStorageAction)
        if (action != null) {
            LogTail tail = new LogTail(action.logText, MAX_LOG)
            step.log = tail.text
            step.log_is_cut = tail.isCut
        }
    }

    @NonCPS
    private void addTimes(Map step, FlowNode node) {
        long start = graph.startOf(node)
        if (start > 0) {
            step.started_at = start
            long end = graph.endOf(origin)
            if (end >= start) {
                step.duration_ms = end - start
            }
        }
    }

    /** Add the agent of the step `node` around. */
    @NonCPS
    private void addAgent(Map step) {
        for (FlowNode block = graph.enclosing(origin); block != null; block = graph.enclosing(block)) {
            WorkspaceAction workspace = graph.function(block) == 'node' ? block.getPersistentAction(WorkspaceAction) : null
            if (workspace != null) {
                // '' is the controller's own.
                if (workspace.node) {
                    step.agent = JsonValues.name(workspace.node)
                }
                List<String> labels = []
                for (label in workspace.labels) {
                    labels << JsonValues.name(label.name)
                }
                if (labels) {
                    step.agent_label = JsonValues.text(labels.sort().join(' '), JsonValues.MAX_NAME)
                }
                return
            }
        }
    }

}
