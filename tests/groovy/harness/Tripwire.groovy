package harness

/**
 * An object of which the sandbox gives a Jenkinsfile the text only. Anything else that is read or called on it
 * or on its class is a leak.
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
            return true // a condition, which the sandbox permits
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
