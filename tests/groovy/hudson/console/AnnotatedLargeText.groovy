package hudson.console

import groovy.transform.CompileStatic
import harness.Recording

/**
 * Stands in for Jenkins': a log that still grows. It writes whole lines only, at most 10,000 at once, and leaves
 * out Jenkins' own notes.
 */
class AnnotatedLargeText {

    private static final int MAX_LINES = 10000

    private final byte[] end
    private final long before

    /**
     * @param end the last bytes of the log
     * @param before how many bytes are before them, which nobody may read
     */
    AnnotatedLargeText(byte[] end, long before = 0) {
        this.end = end
        this.before = before
    }

    long length() {
        return before + end.length
    }

    @CompileStatic
    long writeLogTo(long start, OutputStream out) {
        assert start >= before : 'A log is read from its end only.'
        int from = (int) (start - before)
        int at = from
        int lines = 0
        for (int index = from; index < end.length && lines < MAX_LINES; index++) {
            if (end[index] == (byte) 10) {
                at = index + 1
                lines++
            }
        }
        String text = new String(end, from, at - from, 'ISO-8859-1')
        out.write(text.replaceAll('\u001b\\[8mha:.*?\u001b\\[0m', '').getBytes('ISO-8859-1'))
        return before + at
    }

    long writeLogTo(long start, Writer out) {
        return Recording.read(new UnsupportedOperationException('use the stream')) as long
    }

}
