package harness

/** A script from elsewhere, whose properties the sandbox would keep from a Jenkinsfile: it serves to call steps. */
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
