package notifyemail

/** Values as JSON can carry them: pure functions. */
class Texts implements Serializable {

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

    /** What went wrong, on one line. The text of a missing step's error lists every step there is: not for a log. */
    @NonCPS
    static String reason(Throwable e) {
        return e instanceof NoSuchMethodError ? 'a step is not installed' : oneLine(e.message ?: e.getClass().name)
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
     * Maps, lists, texts, numbers and booleans as they are; anything else as its text.
     *
     * JSON made of an arbitrary object would call each of its getters: in a trusted library that
     * would hand a Jenkinsfile what the sandbox keeps from it.
     */
    @NonCPS
    static Object plain(Object value, int depth = 0) {
        if (value instanceof Map && depth < DEEPEST) {
            Map copy = [:]
            for (entry in value.entrySet()) {
                copy.put(clean(entry.key, NAME), plain(entry.value, depth + 1))
            }
            return copy
        }
        if (value instanceof Collection && depth < DEEPEST) {
            List items = []
            for (item in value) {
                items.add(plain(item, depth + 1))
            }
            return items
        }
        if (value instanceof Boolean) {
            return value
        }
        if (value instanceof Number) {
            String text = value.toString()
            return text ==~ /-?\d+(\.\d+)?/ && text.length() <= DIGITS ? value : text
        }
        if (value instanceof Map || value instanceof Collection) {
            return '...' // deeper than any template looks, or two that hold each other
        }
        // Not `== null`: the sandbox may not know how to compare the author's own value.
        return value instanceof Object ? clean(value, LONGEST) : null
    }

}
