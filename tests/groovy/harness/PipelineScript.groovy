package harness

import com.cloudbees.groovy.cps.SerializableScript

/** A Pipeline script or a global variable's script, as workflow-cps' CpsScript: names that it lacks are steps. */
abstract class PipelineScript extends SerializableScript {

    private static final long serialVersionUID = 1L

    @Override
    Object getProperty(String name) {
        switch (name) {
            case 'currentBuild':
                return new RecordedBuild()
            case 'env':
                return new Environment()
            default:
                return super.getProperty(name)
        }
    }

    @Override
    Object invokeMethod(String name, Object args) {
        return Controller.current.call(name, args as Object[])
    }

}
