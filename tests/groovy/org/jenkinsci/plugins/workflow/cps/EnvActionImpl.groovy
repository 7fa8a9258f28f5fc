package org.jenkinsci.plugins.workflow.cps

import harness.Controller
import org.jenkinsci.plugins.workflow.job.WorkflowRun

/**
 * Stands in for the class of `env`: the global variables and the build's, with those of the blocks around. Holds nothing itself.
 *
 * As on a controller it has properties and no getAt: `env[name]` is Groovy's own, which the sandbox refuses.
 */
class EnvActionImpl implements Serializable {

    private static final long serialVersionUID = 1L

    static EnvActionImpl forRun(WorkflowRun run) {
        assert run
        return new EnvActionImpl()
    }

    @Override
    Object getProperty(String name) {
        return Controller.current.environment(name)
    }

}
