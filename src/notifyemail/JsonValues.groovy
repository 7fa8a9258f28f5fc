package notifyemail

/** Turns any value into what JSON can carry. Pure functions, which never fail and trust no object of a caller's class. */
final class JsonValues implements Serializable {

    private static final long serialVersionUID = 1L

    // The contract's limits, in characters.
    static final int MAX_NAME = 1024
    static final int MAX_MESSAGE = 4096
    static final int MAX_TEXT = 65536
    /** How deep maps and lists are copied, counted from `data`. */
    static final int MAX_DEPTH = 9
    /** The depth of a whole report, so that its `mail.data` is copied as deep as `data` alone. */
    static final int REPORT_DEPTH = -2
    /** JSON readers keep numbers of so many characters exactly. */
    static final int MAX_DIGITS = 15
    /** Stands for what is deeper than any template looks, such as two maps that hold each other. */
    static final String TOO_DEEP = '...'
    /** Stands for what can't be read. */
    static final String UNREADABLE = '?'

    /** Return a value's text, cut at so many characters, without halves of surrogate pairs: no JSON reader accepts those. */
    @NonCPS
    static String text(Object value, int maxLength) {
        String text = toText(value)
        String kept = text.length() > maxLength ? text.substring(0, maxLength) : text
        return kept.replaceAll('[\\ud800-\\udfff]', '\ufffd')
    }

    /** Return a value's text on one line, for a log or a mail's subject. */
    @NonCPS
    static String oneLine(Object value, int maxLength = 500) {
        return text(value, maxLength).replaceAll('\\s+', ' ').trim()
    }

    /** Return `value.toString()`. In an author's class that may throw, or need a running Pipeline, which it does not have here. */
    @NonCPS
    private static String toText(Object value) {
        try {
            return value.toString()
        } catch (Throwable ignored) {
            return UNREADABLE
        }
    }

    /**
     * Return the name of a value's class, as Java knows it. `value.getClass().name` would call the value, or read
     * a static property of its class: an author's class may return any object there, whose `name` would be read.
     */
    @NonCPS
    static String className(Object value) {
        try {
            Object type = value.getClass()
            String text = type instanceof Class ? "${type}" : ''
            return text.startsWith('class ') ? text.substring('class '.length()) : UNREADABLE
        } catch (Throwable ignored) {
            return UNREADABLE
        }
    }

    /**
     * Return a copy made of maps, lists, texts, numbers and booleans; anything else becomes its text.
     *
     * Only objects of Java's own classes and of the common parsers are looked into. From any other object a
     * trusted library would read what the sandbox hides from the Jenkinsfile that passed it. Every exception is
     * caught, because such a map can hold an author's objects: a method of theirs that needs a running Pipeline
     * throws an Error here, which would make that method's value the value of the library's own method.
     */
    @NonCPS
    static Object plain(Object value, int depth = 0) {
        try {
            return copy(value, depth)
        } catch (Throwable ignored) {
            return UNREADABLE
        }
    }

    @NonCPS
    private static Object copy(Object value, int depth) {
        // Not `== null`: the sandbox may not know how to compare an author's object.
        if (!(value instanceof Object)) {
            return null
        }
        if (value instanceof CharSequence) {
            return text(value, MAX_TEXT)
        }
        String type = className(value)
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
        return isNumber ? value : text(value, MAX_TEXT)
    }

    @NonCPS
    private static Object copyMap(Map map, int depth) {
        if (depth >= MAX_DEPTH) {
            return TOO_DEEP
        }
        Map copy = [:]
        for (entry in map.entrySet()) {
            // One of Java's maps can wrap an author's map, whose entries may be any object.
            if (entry instanceof Map.Entry) {
                copy.put(text(entry.key, MAX_NAME), plain(entry.value, depth + 1))
            }
        }
        return copy
    }

    @NonCPS
    private static Object copyList(Collection list, int depth) {
        if (depth >= MAX_DEPTH) {
            return TOO_DEEP
        }
        List copy = []
        for (item in list) {
            copy.add(plain(item, depth + 1))
        }
        return copy
    }

}
