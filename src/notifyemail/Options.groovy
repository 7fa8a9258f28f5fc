package notifyemail

/**
 * The step's arguments, checked, and the environment's values for those that were not given.
 *
 * It calls no step, and keeps Serializable values only.
 */
final class Options implements Serializable {

    private static final long serialVersionUID = 1L

    /** Every argument, and the kind of its value. */
    static final Map<String, String> KNOWN = Collections.unmodifiableMap([
        to           : 'addresses',
        cc           : 'addresses',
        bcc          : 'addresses',
        replyTo      : 'addresses',
        subject      : 'text',
        template     : 'text',
        data         : 'map',
        url          : 'address',
        credentialsId: 'text',
        transport    : 'transport',
        timeout      : 'seconds',
        failOnError  : 'boolean',
        error        : 'exception',
    ])
    static final List<String> TRANSPORTS = Collections.unmodifiableList(['auto', 'controller', 'httpRequest', 'shell'])
    // Seconds.
    static final int DEFAULT_TIMEOUT = 10
    static final int MAX_TIMEOUT = 60

    private static final String NOT_NAMED = 'notifyEmail takes named arguments, or a map of them.'

    private final Map arguments
    private final Script script

    /** @param arguments from any caller: they are copied, and none of their objects is kept */
    Options(Map arguments, Script script) {
        this.arguments = Collections.unmodifiableMap(parse(arguments))
        this.script = script
    }

    /**
     * Return the arguments as plain values, which a controller can save when a step begins. It could not save
     * what JsonSlurper or readYaml returns, or a change set. An exception becomes a BuildError.
     *
     * @return for wrong arguments `mistake` only, a sentence for the author
     */
    @NonCPS
    private static Map parse(Map arguments) {
        try {
            return copy(arguments)
        } catch (Throwable ignored) {
            // The methods of an author's own map may throw: see JsonValues.plain.
            return [mistake: NOT_NAMED]
        }
    }

    @NonCPS
    private static Map copy(Map arguments) {
        Map plain = [:]
        if (arguments == null) {
            return plain
        }
        for (entry in arguments.entrySet()) {
            if (!(entry instanceof Map.Entry)) {
                return [mistake: NOT_NAMED]
            }
            String name = JsonValues.text(entry.key, JsonValues.MAX_NAME)
            String kind = KNOWN.get(name)
            if (kind == null) {
                return [mistake: "notifyEmail has no argument '${name}'. Its arguments are: ${KNOWN.keySet().join(', ')}.".toString()]
            }
            Object given = entry.value
            Object value = given instanceof Throwable ? BuildError.from(given) : JsonValues.plain(given)
            boolean isOther = value instanceof String && !(given instanceof CharSequence)
            if (value != null && (isOther || !fits(kind, value))) {
                return [mistake: "notifyEmail: ${name} takes ${expected(kind)}.".toString()]
            }
            plain.put(name, value)
        }
        return plain
    }

    /** Return what is wrong with the arguments, as a sentence for the author; null: nothing. */
    @NonCPS
    String mistake() {
        return arguments.mistake
    }

    /**
     * Return what is wrong with the environment's transport; null: nothing. That is the administrator's mistake,
     * so it is written in the log, and does not fail the build as one in the arguments does.
     */
    @NonCPS
    String transportMistake() {
        return environmentMistake('transport', 'NOTIFY_EMAIL_TRANSPORT', transport)
    }

    /** Return what is wrong with a service's address, which may be missing; null: nothing. */
    @NonCPS
    static String addressMistake(String address) {
        return address ? environmentMistake('address', 'NOTIFY_EMAIL_URL', address)
            : 'no service address: set the global variable NOTIFY_EMAIL_URL (Manage Jenkins, System, Environment variables)'
    }

    @NonCPS
    private static String environmentMistake(String kind, String name, String value) {
        return fits(kind, value) ? null : "${name} is '${JsonValues.oneLine(value, 100)}': set ${expected(kind)}"
    }

    /** Return the contract's `mail` member: the author's arguments, and the environment's recipients if there is no `to`. */
    @NonCPS
    Map mail() {
        Map values = [
            to      : addresses(arguments.to) ?: RunningBuild.env(script).NOTIFY_EMAIL_TO,
            cc      : addresses(arguments.cc),
            bcc     : addresses(arguments.bcc),
            reply_to: addresses(arguments.replyTo),
            subject : arguments.subject ? JsonValues.text(arguments.subject, JsonValues.MAX_MESSAGE) : null,
            template: arguments.template ? JsonValues.text(arguments.template, JsonValues.MAX_MESSAGE) : null,
            data    : arguments.data,
        ]
        Map mail = [:]
        for (entry in values.entrySet()) {
            if (entry.value) {
                mail.put(entry.key, entry.value)
            }
        }
        return mail
    }

    @NonCPS
    String getUrl() {
        return trimAddress(arguments.url ?: RunningBuild.env(script).NOTIFY_EMAIL_URL)
    }

    /** Return a service's address without spaces around it and slashes at its end, so that a path can follow. */
    @NonCPS
    static String trimAddress(String address) {
        return address == null ? null : address.trim().replaceAll('/+$', '')
    }

    @NonCPS
    boolean isUrlGiven() {
        return arguments.url != null
    }

    @NonCPS
    String getCredentialsId() {
        return arguments.credentialsId ?: RunningBuild.env(script).NOTIFY_EMAIL_CREDENTIALS_ID
    }

    @NonCPS
    String getTransport() {
        return arguments.transport ?: RunningBuild.env(script).NOTIFY_EMAIL_TRANSPORT ?: 'auto'
    }

    /** Return the seconds that a step waits for an answer. */
    @NonCPS
    int getTimeout() {
        return arguments.timeout == null ? DEFAULT_TIMEOUT : arguments.timeout
    }

    @NonCPS
    boolean isFailOnError() {
        return arguments.failOnError == true
    }

    @NonCPS
    BuildError getError() {
        return arguments.error
    }

    @NonCPS
    private static String addresses(Object value) {
        return value instanceof Collection ? value.join(', ') : value
    }

    @NonCPS
    private static boolean fits(String kind, Object value) {
        switch (kind) {
            case 'addresses':
                return value instanceof String || value instanceof Collection && areTexts(value)
            case 'map':
                return value instanceof Map
            case 'seconds':
                return value instanceof Integer && value >= 1 && value <= MAX_TIMEOUT
            case 'boolean':
                return value instanceof Boolean
            case 'exception':
                return value instanceof BuildError
            case 'transport':
                return value.toString() in TRANSPORTS
            case 'address':
                // Only what a shell reads as plain text.
                return value instanceof String && value ==~ /https?:\/\/[^\s'"`$\\]+/
            default:
                return value instanceof String
        }
    }

    @NonCPS
    private static boolean areTexts(Collection values) {
        for (value in values) {
            if (!(value instanceof String)) {
                return false
            }
        }
        return true
    }

    @NonCPS
    private static String expected(String kind) {
        return [addresses: 'an address, several separated by commas, or a list of them',
                map      : 'a Map of plain values for the template',
                seconds  : "whole seconds from 1 to ${MAX_TIMEOUT}",
                boolean  : 'true or false',
                exception: 'the exception that was caught',
                transport: "one of ${TRANSPORTS.join(', ')}",
                address  : 'an http or https address, such as http://172.17.0.1:8525'].get(kind) ?: 'a text'
    }

}
