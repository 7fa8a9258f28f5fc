package org.jenkinsci.plugins.workflow.job

import harness.Controller
import harness.RecordedGraph
import harness.Recording
import hudson.console.AnnotatedLargeText
import hudson.model.Cause
import hudson.model.ParametersAction
import hudson.model.Result
import hudson.model.User
import hudson.plugins.git.util.BuildData
import hudson.tasks.junit.TestResultAction
import jenkins.model.InterruptedBuildAction
import jenkins.util.VirtualFile
import org.jenkinsci.plugins.workflow.cps.EnvActionImpl
import org.jenkinsci.plugins.workflow.libs.LibrariesAction
import org.jenkinsci.plugins.workflow.libs.LibraryRecord

/** Stands in for the raw build, which no sandboxed script may have, as it was recorded from inside. */
class WorkflowRun {

    final String description = 'the raw build'
    final WorkflowJob parent = new WorkflowJob()

    private static Map recorded() {
        return Controller.current.build.inside
    }

    List getActions() {
        return Recording.read(recorded().actions).collect { recorded -> made(recorded) }.findAll { action -> action != null } +
            (recorded().state.params ? [new ParametersAction(recorded().state.params)] : []) +
            (recorded().interrupted ? [interrupted()] : [])
    }

    private static Object made(List action) {
        switch (action[0]) {
            case EnvActionImpl.name:
                return EnvActionImpl.forRun(Controller.current.run)
            case TestResultAction.name:
                return new TestResultAction(recorded().tests)
            case BuildData.name:
                return new BuildData(action.tail())
            case LibrariesAction.name:
                return new LibrariesAction([new LibraryRecord('notify-email', 'main')])
            default:
                return null
        }
    }

    private static InterruptedBuildAction interrupted() {
        RecordedGraph graph = Controller.current.build.graph
        return new InterruptedBuildAction(recorded().interrupted[0].collect { cause -> graph.stoppedBy(cause[0], [text: cause[1]]) })
    }

    Object getAction(Class type) {
        return actions.find { action -> type.isInstance(action) }
    }

    AnnotatedLargeText getLogText() {
        return Recording.read(recorded().logText) ?: Controller.current.build.graph.wholeLog()
    }

    List<Cause> getCauses() {
        return Recording.read(recorded().people.causes).collect { cause -> WorkflowRun.classLoader.loadClass(cause.cls).newInstance(cause) }
    }

    Set<User> getCulprits() {
        return Recording.read(recorded().people.culprits).collect { person -> Controller.current.build.user(person.id) } as LinkedHashSet
    }

    PastRun getPreviousBuild() {
        return PastRun.from(Recording.read(recorded().history.items), 0)
    }

    PastRun getPreviousSuccessfulBuild() {
        List items = recorded().history.items
        return PastRun.from(items, items.findIndexOf { item -> item.n == recorded().history.lastSuccess })
    }

    long getEstimatedDuration() {
        return recorded().history.estimated
    }

    List<Artifact> getArtifactsUpTo(int count) {
        return Recording.read(recorded().artifacts).take(count).collect { artifact -> new Artifact(artifact) }
    }

    ArtifactManager getArtifactManager() {
        return new ArtifactManager()
    }

    /** The build's archived artifacts, in a folder that a test has made. */
    static class ArtifactManager {

        VirtualFile root() {
            return new VirtualFile(recorded().artifactsFolder)
        }

    }

    static class Artifact {

        final String relativePath
        final long fileSize

        Artifact(List recorded) {
            relativePath = recorded[0]
            fileSize = recorded[1] as long
        }

    }

}

/** The job. */
class WorkflowJob {

    Object getACL() {
        return new Object() {

            boolean hasPermission2(Object who, Object permission) {
                assert permission.is(hudson.model.Item.READ)
                return who in Controller.current.build.realm
            }

        }
    }

}

/** A build before the running one. */
class PastRun {

    private final List items
    private final int index

    private PastRun(List items, int index) {
        this.items = items
        this.index = index
    }

    static PastRun from(List items, int index) {
        return index >= 0 && index < items.size() ? new PastRun(items, index) : null
    }

    PastRun getPreviousBuild() {
        return from(items, index + 1)
    }

    int getNumber() {
        return items[index].n
    }

    Result getResult() {
        return Result.fromString(items[index].r)
    }

    boolean isBuilding() {
        return items[index].building
    }

    long getStartTimeInMillis() {
        return items[index].t
    }

    long getDuration() {
        return items[index].d
    }

}
