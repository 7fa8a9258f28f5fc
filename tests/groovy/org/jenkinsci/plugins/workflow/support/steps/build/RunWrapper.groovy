package org.jenkinsci.plugins.workflow.support.steps.build

import harness.Controller
import org.jenkinsci.plugins.workflow.job.WorkflowRun

/** Stands in for the class of `currentBuild`, and answers what a real controller was recorded to answer. Survives a restart. */
class RunWrapper implements Serializable {

    private static final long serialVersionUID = 1L

    RunWrapper(WorkflowRun run, boolean isCurrentBuild) {
        assert run && isCurrentBuild
    }

    Object propertyMissing(String name) {
        return Controller.current.build.value(name)
    }

    void propertyMissing(String name, Object value) {
        Controller.current.build.set(name, value)
    }

    String getCurrentResult() {
        return Controller.current.build.value('currentResult')
    }

    String getResult() {
        return Controller.current.build.value('result')
    }

    void setResult(String result) {
        Controller.current.build.set('result', result)
    }

    String getAbsoluteUrl() {
        return Controller.current.build.absoluteUrl()
    }

    Object getBuildCauses() {
        return Controller.current.build.value('buildCauses')
    }

    Object getChangeSets() {
        return Controller.current.build.changeSets()
    }

    /** The sandbox refuses it, and nothing else may give it to a Jenkinsfile either. */
    WorkflowRun getRawBuild() {
        Controller.current.leaks << 'currentBuild.rawBuild was read'
        return Controller.current.run
    }

}
