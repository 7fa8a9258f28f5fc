package org.jenkinsci.plugins.workflow.cps

/** Stands in for workflow-cps': the thread that runs a Pipeline. */
class CpsThread {

    private static final CpsThread THREAD = new CpsThread()

    static CpsThread current() {
        return THREAD
    }

    CpsFlowExecution getExecution() {
        return new CpsFlowExecution()
    }

}
