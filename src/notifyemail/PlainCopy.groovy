package notifyemail

/**
 * A copy of an author's value, made of maps, lists, texts, numbers and booleans; anything else becomes its text.
 *
 * Only objects of Java's own classes and of the common parsers are looked into. From any other object a
 * trusted library would read what the sandbox hides from the Jenkinsfile that passed it. Every exception is
 * caught, because such a map can hold an author's objects: a method of theirs that needs a running Pipeline
 * throws an Error here, which would make that method's value the value of the library's own method.
 */
final class PlainCopy implements Serializable {

    private static final long serialVersionUID = 1L

    /** How deep maps and lists are copied, counted from `data`. */
    static final int MAX_DEPTH = 9
    /** How many values one copy has: a list can be endless, and two maps that hold each other twice have 2^9 copies. */
    static final int MAX_VALUES = 5000
    /** JSON readers keep numbers of so many characters exactly. */
    static final int MAX_DIGITS = 15
    /** Stands for what is deeper than any template looks, such as two maps that hold each other. */
    static final String TOO_DEEP = '...'
    /** Ends a list or map of which not everything was copied. */
    static final String TOO_MANY = "... the rest was left out: notifyEmail sends at most ${MAX_VALUES} values"

    private int copied = 0

    @NonCPS
    Object copy(Object value, int depth) {
        copied++
        try {
            return copyAny(value, depth)
        } catch (Throwable ignored) {
            return JsonValues.UNREADABLE
        }
    }

    @NonCPS
    private Object copyAny(Object value, int depth) {
        // Not `== null`: the sandbox may not know how to compare an author's object.
        if (!(value instanceof Object)) {
            return null
        }
        if (value instanceof CharSequence) {
            return JsonValues.text(value, JsonValues.MAX_TEXT)
        }
        String type = JsonValues.className(value)
        // Java's own classes, JsonSlurper's, Groovy's ranges and readJSON's. A Groovy class could lie about its name.
        boolean isJava = !(value instanceof GroovyObject) && (type.startsWith('java.') || type in [
            'groovy.json.internal.LazyMap', 'groovy.lang.IntRange', 'groovy.lang.MapWithDefault', 'net.sf.json.JSONArray',
            'net.sf.json.JSONObject',
        ])
        if (value instanceof Map && isJava) {
            return copyMap(value, depth)
        }
        if (value instanceof Object[] || value instanceof Collection && isJava) {
            return copyList(value as List, depth)
        }
        if (value instanceof Boolean) {
            return value
        }
        boolean isNumber = value instanceof Number && isJava && "${value}" ==~ /-?\d+(\.\d+)?/ && "${value}".length() <= MAX_DIGITS
        return isNumber ? value : JsonValues.text(value, JsonValues.MAX_TEXT)
    }

    @NonCPS
    private Object copyMap(Map map, int depth) {
        if (depth >= MAX_DEPTH) {
            return TOO_DEEP
        }
        Map copy = [:]
        for (entry in map.entrySet()) {
            if (copied >= MAX_VALUES) {
                copy.put('...', TOO_MANY)
                break
            }
            // One of Java's maps can wrap an author's map, whose entries may be any object.
            if (entry instanceof Map.Entry) {
                copy.put(JsonValues.text(entry.key, JsonValues.MAX_NAME), this.copy(entry.value, depth + 1))
            }
        }
        return copy
    }

    @NonCPS
    private Object copyList(Collection list, int depth) {
        if (depth >= MAX_DEPTH) {
            return TOO_DEEP
        }
        List copy = []
        for (item in list) {
            if (copied >= MAX_VALUES) {
                copy.add(TOO_MANY)
                break
            }
            copy.add(this.copy(item, depth + 1))
        }
        return copy
    }

}
