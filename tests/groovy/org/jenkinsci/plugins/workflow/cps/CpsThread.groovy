package org.jenkinsci.plugins.workflow.cps

import harness.Controller
import org.jenkinsci.plugins.workflow.job.WorkflowRun

/** Stands in for the thread that runs a Pipeline, and for what leads from it to its build. */
class CpsThread {

    private static final CpsThread THREAD = new CpsThread()

    static CpsThread current() {
        return THREAD
    }

    Execution getExecution() {
        return new Execution()
    }

    static class Execution {

        Owner getOwner() {
            return new Owner()
        }

    }

    static class Owner {

        WorkflowRun getExecutable() {
            return Controller.current.run
        }

    }

}
