package harness

/**
 * An object that the sandbox would keep from a Jenkinsfile, but for its text: whatever else is read or
 * called on it is a leak. So is what is read or called on its class.
 */
class Tripwire implements GroovyInterceptable, Serializable {

    private static final long serialVersionUID = 1L

    private static final List<String> ALLOWED = ['toString', 'equals', 'hashCode', 'getClass']

    @Override
    Object getProperty(String name) {
        return trip("property ${name}")
    }

    @Override
    void setProperty(String name, Object value) {
        trip("property ${name} set")
    }

    @Override
    Object invokeMethod(String name, Object args) {
        if (name == 'asBoolean') {
            return true // a condition, which the sandbox lets through
        }
        return name in ALLOWED ? metaClass.getMetaMethod(name, args as Object[]).invoke(this, args as Object[]) : trip("method ${name}")
    }

    static Object $static_propertyMissing(String name) {
        return trip("static property ${name}")
    }

    static Object $static_methodMissing(String name, Object args) {
        return trip("static method ${name} of ${args.getClass().simpleName}")
    }

    private static Object trip(GString what) {
        Controller.current.leaks << what.toString()
        return Controller.current.given.secret
    }

}
