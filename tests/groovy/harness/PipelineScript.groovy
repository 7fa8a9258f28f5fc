package harness

import com.cloudbees.groovy.cps.SerializableScript
import org.jenkinsci.plugins.workflow.cps.EnvActionImpl
import org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper

/** The base of Pipeline scripts and global variables, like workflow-cps' CpsScript: names that it does not define are steps. */
abstract class PipelineScript extends SerializableScript {

    private static final long serialVersionUID = 1L

    @Override
    Object getProperty(String name) {
        switch (name) {
            case 'currentBuild':
                return new RunWrapper(Controller.current.run, true)
            case 'env':
                return EnvActionImpl.forRun(Controller.current.run)
            default:
                Map<String, Object> given = Controller.current.given
                return given.containsKey(name) ? given[name] : super.getProperty(name)
        }
    }

    @Override
    Object invokeMethod(String name, Object args) {
        return Controller.current.call(name, args as Object[])
    }

}
