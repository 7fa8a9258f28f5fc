package notifyemail

/** Values as JSON can carry them: pure functions. */
final class Texts implements Serializable {

    private static final long serialVersionUID = 1L

    static final int NAME = 1024
    static final int LONG = 4096
    /** The contract's limit for any text. */
    static final int LONGEST = 65536
    static final int DEEPEST = 9
    /** Where a whole report begins, if its `mail.data` is to reach as deep as data alone. */
    static final int ABOVE_DATA = -2
    /** As long as what JSON readers keep exactly. */
    static final int DIGITS = 15
    /** In place of what is deeper than any template looks, or of two maps that hold each other. */
    static final String TOO_DEEP = '...'

    /** At most so many characters, and no half of a surrogate pair, which no JSON reader takes. */
    @NonCPS
    static String clean(Object value, int length) {
        String text = text(value)
        String kept = text.length() > length ? text.substring(0, length) : text
        return kept.replaceAll('[\\ud800-\\udfff]', '\ufffd')
    }

    /** Never fails: an author's own class may throw, or need a Pipeline to run in, which there is none here. */
    @NonCPS
    private static String text(Object value) {
        try {
            return value.toString()
        } catch (Throwable ignored) {
            return '?'
        }
    }

    /**
     * The name of a value's class, as Java says it. `value.getClass().name` would ask the value, or a static
     * property of its class: an author's own class answers with any object there, of which `name` would be read.
     */
    @NonCPS
    static String typeOf(Object value) {
        try {
            Object type = value.getClass()
            String text = type instanceof Class ? "${type}" : ''
            return text.startsWith('class ') ? text.substring('class '.length()) : '?'
        } catch (Throwable ignored) {
            return '?'
        }
    }

    /** An author's own exception may fail to say it. */
    @NonCPS
    static String message(Throwable e) {
        try {
            return e.message ?: typeOf(e)
        } catch (Throwable ignored) {
            return typeOf(e)
        }
    }

    /** What went wrong, on one line. The text of a missing step's error lists every step there is: not for a log. */
    @NonCPS
    static String reason(Throwable e) {
        return e instanceof NoSuchMethodError ? 'a step is not installed' : oneLine(message(e))
    }

    /** Ends in exactly one full stop, unless it asks. */
    @NonCPS
    static String sentence(String text) {
        return text.endsWith('.') || text.endsWith('?') ? text : text + '.'
    }

    /** The same on one line, for a log. */
    @NonCPS
    static String oneLine(Object value, int length = 500) {
        return clean(value, length).replaceAll('\\s+', ' ').trim()
    }

    /**
     * A copy of maps, lists, texts, numbers and booleans; anything else becomes its text.
     *
     * Only objects of Java's own classes and of the common parsers are looked into. Of any other object a
     * trusted library would read what the sandbox keeps from the Jenkinsfile that handed it in. Never fails:
     * those hold objects of the author's, and to call a method that needs a Pipeline from here is an Error
     * that makes its value that of the library's own method.
     */
    @NonCPS
    static Object plain(Object value, int depth = 0) {
        try {
            return copied(value, depth)
        } catch (Throwable ignored) {
            return '?'
        }
    }

    @NonCPS
    private static Object copied(Object value, int depth) {
        // Not `== null`: the sandbox may not know how to compare the author's own value.
        if (!(value instanceof Object)) {
            return null
        }
        if (value instanceof CharSequence) {
            return clean(value, LONGEST)
        }
        String type = typeOf(value)
        // Besides Java's own, what JsonSlurper, Groovy's ranges and the step readJSON give. A Groovy class may lie about its name.
        boolean isJava = !(value instanceof GroovyObject) && (type.startsWith('java.') || type in [
            'groovy.json.internal.LazyMap', 'groovy.lang.IntRange', 'groovy.lang.MapWithDefault', 'net.sf.json.JSONArray',
            'net.sf.json.JSONObject',
        ])
        if (value instanceof Map && isJava) {
            return copiedMap(value, depth)
        }
        if (value instanceof Object[] || value instanceof Collection && isJava) {
            return copiedList(value as List, depth)
        }
        if (value instanceof Boolean) {
            return value
        }
        boolean isNumber = value instanceof Number && isJava && "${value}" ==~ /-?\d+(\.\d+)?/ && "${value}".length() <= DIGITS
        return isNumber ? value : clean(value, LONGEST)
    }

    @NonCPS
    private static Object copiedMap(Map map, int depth) {
        if (depth >= DEEPEST) {
            return TOO_DEEP
        }
        Map copy = [:]
        for (entry in map.entrySet()) {
            // Else it is one of a map of the author's, around which there is one of Java's.
            if (entry instanceof Map.Entry) {
                copy.put(clean(entry.key, NAME), plain(entry.value, depth + 1))
            }
        }
        return copy
    }

    @NonCPS
    private static Object copiedList(Collection list, int depth) {
        if (depth >= DEEPEST) {
            return TOO_DEEP
        }
        List copy = []
        for (item in list) {
            copy.add(plain(item, depth + 1))
        }
        return copy
    }

}
