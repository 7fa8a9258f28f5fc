package notifyemail

/** Turns any value into what JSON can carry. Pure functions, which never fail and trust no object of a caller's class. */
final class JsonValues implements Serializable {

    private static final long serialVersionUID = 1L

    // The contract's limits, in characters.
    static final int MAX_NAME = 1024
    static final int MAX_MESSAGE = 4096
    static final int MAX_TEXT = 65536
    /** The depth of a report's `mail`, so that its `data` is copied as deep as `data` alone. */
    static final int MAIL_DEPTH = -1
    /** Stands for what can't be read. */
    static final String UNREADABLE = '?'

    /** Return a value's text, cut at so many characters, without halves of surrogate pairs: no JSON reader accepts those. */
    @NonCPS
    static String text(Object value, int maxLength) {
        String text = toText(value)
        String kept = text.length() > maxLength ? text.substring(0, maxLength) : text
        return kept.replaceAll('[\\ud800-\\udfff]', '\ufffd')
    }

    /** Return a name's text, without blanks around it; empty: there is none. */
    @NonCPS
    static String name(Object value) {
        return value instanceof Object ? text(value, MAX_NAME).trim() : ''
    }

    /** Return a value's text on one line, for a log or a mail's subject: without what a terminal would obey. */
    @NonCPS
    static String oneLine(Object value, int maxLength = 500) {
        return text(value, maxLength).replaceAll('[\\s\\p{Cc}\\p{Zl}\\p{Zp}\\u202a-\\u202e\\u2066-\\u2069]+', ' ').trim()
    }

    /** Return a text with one full stop at its end, unless it is a question. */
    @NonCPS
    static String sentence(String text) {
        return text.endsWith('.') || text.endsWith('?') ? text : text + '.'
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

    /** Return a copy that JSON can carry, at most MAX_DEPTH levels deep: see PlainCopy. */
    @NonCPS
    static Object plain(Object value, int depth = 0) {
        return new PlainCopy().copy(value, depth)
    }

}
