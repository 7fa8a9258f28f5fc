package notifyemail.inside

import jenkins.model.InterruptedBuildAction
import notifyemail.JsonValues
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Who or what stopped the build. */
final class Interruption {

    private static final String TIMEOUT = 'org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution$ExceededTimeout'
    private static final String USER = 'jenkins.model.CauseOfInterruption$UserInterruption'
    private static final String REJECTION = 'org.jenkinsci.plugins.workflow.support.steps.input.Rejection'

    private final FlowGraph graph
    private final Failure failure
    private final People people

    Interruption(FlowGraph graph, Failure failure, People people) {
        OwnBuild.require()
        this.graph = graph
        this.failure = failure
        this.people = people
    }

    /** Return the contract's `interruption`; null: the build was not stopped. */
    @NonCPS
    Map read() {
        Object cause = cause()
        if (cause == null) {
            return null
        }
        String type = JsonValues.className(cause)
        Map interruption = [type: type, text: JsonValues.text(cause.shortDescription ?: '', JsonValues.MAX_MESSAGE)]
        if (type == USER || type == REJECTION) {
            Map user = people.person(cause.user)
            if (user) {
                interruption.user = user
            }
        }
        if (type == TIMEOUT) {
            long after = timeLimited()
            if (after > 0) {
                interruption.after_ms = after
            }
        }
        return interruption
    }

    /** Return Jenkins' first cause. The step `build` throws an interruption that is none, when its build failed. */
    @NonCPS
    private Object cause() {
        List causes = null
        if (failure.error instanceof FlowInterruptedException) {
            String result = "${failure.error.result}"
            causes = result in ['ABORTED', 'NOT_BUILT'] ? failure.error.causes : null
        } else if (failure.error == null) {
            // It was stopped while no step ran, for example while it waited for an agent.
            causes = OwnBuild.run().getAction(InterruptedBuildAction)?.causes
        }
        return causes ? causes[0] : null
    }

    /** Return for how many milliseconds the block that the step `timeout` limits had been running; 0: unknown. */
    @NonCPS
    private long timeLimited() {
        if (failure.origin == null) {
            return 0
        }
        for (FlowNode block = graph.enclosing(failure.origin); block != null; block = graph.enclosing(block)) {
            if (graph.function(block) == 'timeout') {
                return Math.max(0L, graph.endOf(failure.origin) - graph.startOf(block))
            }
        }
        return 0
    }

}
