package notifyemail.inside

import notifyemail.BuildError
import notifyemail.JsonValues
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.graph.BlockEndNode
import org.jenkinsci.plugins.workflow.graph.FlowNode

/** Adds to a report what a trusted library reads of the running build from inside. Each part may fail alone. */
final class InsideReport {

    /** Bytes of the whole log's end. */
    static final int MAX_LOG = 16384
    static final int MAX_WARNINGS = 100
    /** The parts that are read in the flow graph come first, and of those the error. */
    private static final List<String> PARTS = Collections.unmodifiableList([
        'graph', 'error', 'interruption', 'stages', 'warnings', 'log', 'tests', 'changes', 'culprits', 'requestor',
        'contributor', 'upstream',
        'upstream_culprits', 'history', 'checkouts', 'branch', 'replayed_from', 'restarted_from', 'parameters', 'artifacts',
        'attachLog', 'attach', 'not_attached'])

    /** The parts that are members of the contract's `build`. */
    private static final List<String> BUILD_PARTS = Collections.unmodifiableList([
        'interruption', 'culprits', 'requestor',
        'contributor', 'upstream', 'upstream_culprits', 'history', 'checkouts', 'branch', 'replayed_from',
        'restarted_from', 'parameters'])

    /** The parts that are missing without the flow graph. */
    private static final List<String> GRAPH_PARTS = Collections.unmodifiableList(['error', 'stages', 'warnings'])

    private static final List<String> FILE_PARTS = Collections.unmodifiableList(['attachLog', 'attach', 'not_attached'])

    private final Map report
    private final BuildError given
    private final List missing = []
    private final People people = new People()
    private final Causes causes = new Causes(people)
    private final Sources sources = new Sources()
    private final Attachments attachments
    private FlowGraph graph
    private Failure failure

    /**
     * @param report what BuildReport describes; it is added to
     * @param given what the author says of the exception that ended the build; null: nothing
     */
    InsideReport(Map report, BuildError given) {
        OwnBuild.require()
        this.report = report
        this.given = given
        attachments = new Attachments(report.mail, missing)
    }

    /** Return the report without its attachments as JSON, in ASCII and on one line. */
    @NonCPS
    String json() {
        for (part in PARTS) {
            try {
                Object value = read(part)
                if (value || value == 0) {
                    (part in BUILD_PARTS ? report.build : report).put(part, value)
                }
            } catch (Throwable e) {
                BuildError.throwInterruption(e)
                List<String> lostParts = part == 'graph' ? GRAPH_PARTS : [part]
                for (lost in lostParts) {
                    missing << [part: lost, reason: BuildError.reason(e)]
                }
            }
        }
        if (people.cut) {
            missing << [part: 'people', reason: "only ${People.MAX_LOOKUPS} people were looked up".toString()]
        }
        report.complete = true
        return new ReportSize(report, missing).json()
    }

    /** Return this JSON of the report with its attachments. */
    @NonCPS
    String withAttachments(String json) {
        String files = attachments.json()
        return files ? json.substring(0, json.length() - 1) + ',"attachments":' + files + '}' : json
    }

    @NonCPS
    private Object read(String part) {
        switch (part) {
            case 'graph':
                return readGraph()
            case 'error':
                return graph == null ? null : error()
            case 'interruption':
                return failure == null ? null : new Interruption(graph, failure, people).read()
            case 'stages':
                return graph == null ? null : stages()
            case 'warnings':
                return graph == null ? null : warnings()
            case 'log':
                return log()
            case 'tests':
                return new TestResults().read()
            case 'changes':
                return new Commits(people, missing).read()
            case 'history':
                return new PastBuilds().read()
            case 'checkouts':
                return sources.checkouts()
            case 'branch':
                return sources.branch()
            case 'artifacts':
                return sources.artifacts()
            default:
                return part in FILE_PARTS ? readFiles(part) : readCause(part)
        }
    }

    /** Attach files, and return those that are not attached, once all are read. */
    @NonCPS
    private List<Map> readFiles(String part) {
        switch (part) {
            case 'attachLog':
                attachments.addLog()
                return null
            case 'attach':
                attachments.addArtifacts()
                return null
            default:
                return attachments.leftOut
        }
    }

    @NonCPS
    private Object readCause(String part) {
        switch (part) {
            case 'culprits':
                return causes.culprits()
            case 'requestor':
                return causes.requestor()
            case 'contributor':
                return causes.contributor(report.build.contributor)
            case 'upstream':
                return causes.upstream()
            case 'upstream_culprits':
                return causes.upstreamCulprits()
            case 'replayed_from':
                return causes.replayedFrom()
            case 'restarted_from':
                return causes.restartedFrom()
            default:
                return causes.parameters()
        }
    }

    @NonCPS
    private Object readGraph() {
        graph = new FlowGraph()
        if (graph.total > FlowGraph.MAX_NODES) {
            missing << [part: 'stages', reason: "the build has ${graph.total} flow nodes, of which the newest ${FlowGraph.MAX_NODES} " +
                'were read']
        }
        return null
    }

    /** Return the contract's `error`: that of the flow graph, else what the author says of it. */
    @NonCPS
    private Map error() {
        failure = new Failure(graph, given, "${report.build.result}")
        return failure.read() ?: report.error
    }

    @NonCPS
    private List<Map> stages() {
        List<Map> stages = new Stages(graph).read()
        if (stages.size() <= Stages.MAX_STAGES) {
            return stages
        }
        missing << [part: 'stages', reason: "the build has ${stages.size()} stages"]
        return stages.subList(0, Stages.MAX_STAGES)
    }

    /** Return the contract's `warnings`. */
    @NonCPS
    private List<Map> warnings() {
        List<Map> warnings = []
        for (node in graph.nodes.values()) {
            WarningAction action = node.getPersistentAction(WarningAction)
            if (action == null || warnings.size() >= MAX_WARNINGS) {
                continue
            }
            // A block's warning, as of catchError, is on the end of its body.
            boolean isBody = node instanceof BlockEndNode
            FlowNode step = isBody ? graph.enclosing(node) : node
            Throwable error = graph.error(node)
            String message = action.message ?: (error == null ? '' : BuildError.message(error))
            warnings << [message : PlainText.withoutPasswords(JsonValues.text(message, JsonValues.MAX_MESSAGE)),
                         result  : "${action.result}".toString(), function: step == null ? '' : graph.function(step),
                         place   : graph.place(node)]
        }
        return warnings
    }

    /** Return the contract's `log`: the last lines of the build's. */
    @NonCPS
    private List<String> log() {
        return new LogTail(OwnBuild.run().logText, MAX_LOG).text.readLines()
    }

}
