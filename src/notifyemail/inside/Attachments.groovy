package notifyemail.inside

import groovy.json.JsonOutput
import notifyemail.JsonValues
import notifyemail.Options

/** The files that go with the mail: the build's own archived artifacts, and the end of its log. */
final class Attachments {

    /** Bytes of all files together: the service accepts no more. */
    static final int MAX_BYTES = 3145728
    static final int MAX_FILES = 20
    static final int MAX_LOG = 1048576
    /** Artifacts that are attached or named; the others are only counted. */
    static final int MAX_NAMED = 40
    static final String LOG = 'build.log'

    /** The contract's `not_attached`: files that are not sent, each with the reason. */
    final List<Map> leftOut = []
    private final Map mail
    private final List missing
    /** JSON of each file. */
    private final List<String> files = []
    private int bytesLeft = MAX_BYTES

    /**
     * @param mail the contract's `mail` member, which says what is wanted
     * @param missing the report's; it is added to
     */
    Attachments(Map mail, List missing) {
        OwnBuild.require()
        this.mail = mail
        this.missing = missing
    }

    /** Return the contract's `attachments` as JSON; empty: there are none. */
    @NonCPS
    String json() {
        return files ? "[${files.join(',')}]" : ''
    }

    /** Attach the end of the log, if that is wanted. */
    @NonCPS
    void addLog() {
        if (mail.attach_log == true) {
            byte[] bytes = new LogTail(OwnBuild.run().logText, MAX_LOG).text.getBytes('UTF-8')
            // What is no UTF-8 became longer: the service decodes the first character, which may be cut.
            add(LOG, bytes.length > MAX_LOG ? Arrays.copyOfRange(bytes, bytes.length - MAX_LOG, bytes.length) : bytes, true)
        }
    }

    /** Attach the artifacts that the author's patterns match, as far as there is room. */
    @NonCPS
    void addArtifacts() {
        List patterns = mail.attach instanceof List && Options.arePatterns(mail.attach) ? mail.attach : []
        if (!patterns) {
            return
        }
        Object root = OwnBuild.run().artifactManager.root()
        Set<String> paths = new LinkedHashSet<String>()
        for (pattern in patterns) {
            List<String> matching = new ArrayList<String>(root.list(pattern, null, true))
            if (matching.isEmpty()) {
                missing << [part: 'attach', reason: "no archived artifact matches ${pattern}".toString()]
            }
            paths.addAll(matching.sort())
        }
        for (path in paths.take(MAX_NAMED)) {
            addArtifact(root, path)
        }
        if (paths.size() > MAX_NAMED) {
            missing << [part: 'attach', reason: "${paths.size() - MAX_NAMED} more artifacts match".toString()]
        }
    }

    @NonCPS
    private void addArtifact(Object root, String path) {
        Object file = path == JsonValues.name(path) ? plainFile(root, path) : null
        if (file == null) {
            leaveOut(path, null, 'it is no plain file: symbolic links are not followed')
            return
        }
        long size = file.length()
        byte[] bytes = files.size() < MAX_FILES && size <= bytesLeft ? read(file) : null
        if (bytes == null) {
            leaveOut(path, size, files.size() < MAX_FILES ? 'the attachments would have more than 3 MiB together'
                : "at most ${MAX_FILES} files are attached")
        } else {
            add(path, bytes, false)
        }
    }

    @NonCPS
    private void leaveOut(String path, Object size, String reason) {
        Map entry = [name: JsonValues.name(path) ?: JsonValues.UNREADABLE, reason: reason.toString()]
        leftOut << (size == null ? entry : entry + [size_bytes: size])
    }

    @NonCPS
    private void add(String name, byte[] bytes, boolean isLog) {
        bytesLeft -= bytes.length
        // Base64 needs no escapes, so that JsonOutput has not to read it.
        files << ("{\"name\":${JsonOutput.toJson(name)},\"is_log\":${isLog}," +
            "\"content\":\"${Base64.encoder.encodeToString(bytes)}\"}").toString()
    }

    /** Return the file at a path; null: there is none, or a symbolic link is on the way. */
    @NonCPS
    private Object plainFile(Object root, String path) {
        Object file = root
        for (name in path.split('/')) {
            if (!name || name in ['.', '..']) {
                return null
            }
            file = file.child(name)
            if (file.readLink() != null) {
                return null
            }
        }
        return file.isFile() ? file : null
    }

    /** Return the bytes of a file; null: they are more than there is room for. */
    @NonCPS
    private byte[] read(Object file) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream()
        byte[] chunk = new byte[65536]
        InputStream content = file.open()
        try {
            int length = content.read(chunk)
            while (length >= 0 && bytes.size() <= bytesLeft) {
                bytes.write(chunk, 0, length)
                length = content.read(chunk)
            }
        } finally {
            content.close()
        }
        return bytes.size() <= bytesLeft ? bytes.toByteArray() : null
    }

}
