package harness

/** Another script, whose properties the sandbox hides from a Jenkinsfile: only its steps may be called. */
class TripwireScript extends Script {

    @Override
    Object run() {
        return null
    }

    @Override
    Object getProperty(String name) {
        Controller.current.leaks << "property ${name} of a script".toString()
        return new Tripwire()
    }

    @Override
    Object invokeMethod(String name, Object args) {
        return new Tripwire()
    }

}
