package notifyemail.inside

import notifyemail.JsonValues

/** The end of a log, without Jenkins' own notes in it. */
final class LogTail {

    final String text
    /** Whether the log is longer. */
    final boolean isCut

    /**
     * Read the last bytes of a log, and nothing of what is before.
     *
     * @param log an AnnotatedLargeText
     */
    LogTail(Object log, int maxBytes) {
        OwnBuild.require()
        long length = log.length()
        long start = Math.max(0L, length - maxBytes)
        ByteArrayOutputStream bytes = new ByteArrayOutputStream()
        long at = start
        // Of a log that still grows Jenkins writes at most 10,000 lines at once; a line may be one byte.
        for (int times = 0; times <= maxBytes.intdiv(10000) && at < length; times++) {
            long next = log.writeLogTo(at, bytes)
            if (next <= at) {
                break
            }
            at = next
        }
        String tail = bytes.toString('UTF-8')
        if (start > 0) {
            // The first line is a part of one, perhaps of a note of Jenkins' in it. A log of one line is kept.
            int line = tail.indexOf('\n')
            tail = line < 0 || line + 1 == tail.length() ? tail : tail.substring(line + 1)
        }
        int tooLong = tail.length() - maxBytes
        text = PlainText.withoutPasswords(JsonValues.text(tooLong > 0 ? tail.substring(tooLong) : tail, maxBytes))
        isCut = start > 0 || tooLong > 0
    }

}
