package notifyemail

/**
 * The step's arguments, checked, with what the environment adds where they say nothing.
 *
 * Nothing here calls a step or keeps anything that is not Serializable.
 */
final class Options implements Serializable {

    private static final long serialVersionUID = 1L

    /** Every argument, and what it takes: told when an unknown one is used. */
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
    static final int DEFAULT_TIMEOUT = 10
    static final int LONGEST_TIMEOUT = 60

    private final Map arguments
    private final Script script

    /** @param arguments anybody's: they are copied, and none of their objects is kept */
    Options(Map arguments, Script script) {
        this.arguments = Collections.unmodifiableMap(checked(arguments))
        this.script = script
    }

    /**
     * The arguments as plain values, which a controller can save when a step begins: an author's data may be
     * what JsonSlurper or readYaml gave, or a change set, which it can't. An exception is kept as a BuildError.
     *
     * @return of wrong arguments only `mistake`, a sentence for the build's author
     */
    @NonCPS
    private static Map checked(Map arguments) {
        try {
            return copied(arguments)
        } catch (Throwable ignored) {
            // Of a map of the author's, whose methods need a Pipeline: see Texts.plain.
            return [mistake: 'notifyEmail takes named arguments, or a map of them.']
        }
    }

    @NonCPS
    private static Map copied(Map arguments) {
        Map plain = [:]
        if (arguments == null) {
            return plain
        }
        for (entry in arguments.entrySet()) {
            if (!(entry instanceof Map.Entry)) {
                return [mistake: 'notifyEmail takes named arguments, or a map of them.']
            }
            String name = Texts.clean(entry.key, Texts.NAME)
            String wanted = KNOWN.get(name)
            if (wanted == null) {
                return [mistake: "notifyEmail has no argument '${name}'. It knows: ${KNOWN.keySet().join(', ')}.".toString()]
            }
            Object given = entry.value
            Object value = given instanceof Throwable ? BuildError.of(given) : Texts.plain(given)
            boolean isOther = value instanceof String && !(given instanceof CharSequence)
            if (value != null && (isOther || !fits(wanted, value))) {
                return [mistake: "notifyEmail: ${name} takes ${described(wanted)}.".toString()]
            }
            plain.put(name, value)
        }
        return plain
    }

    /** What is wrong with the arguments, as a sentence for the build's author; null: nothing. */
    @NonCPS
    String mistake() {
        return arguments.mistake
    }

    /**
     * What is wrong with the environment's transport; null: nothing. That is its administrator's mistake, so
     * unlike one in the arguments it is told in the log and must not fail a build.
     */
    @NonCPS
    String wrongTransport() {
        return wrong('transport', 'NOTIFY_EMAIL_TRANSPORT', transport)
    }

    /** The same of a service's address, which may be missing. */
    @NonCPS
    static String wrongAddress(String address) {
        return address ? wrong('address', 'NOTIFY_EMAIL_URL', address)
            : 'no service address: set the global variable NOTIFY_EMAIL_URL (Manage Jenkins, System, Environment variables)'
    }

    @NonCPS
    private static String wrong(String kind, String name, String value) {
        return fits(kind, value) ? null : "${name} is '${Texts.oneLine(value, 100)}': set ${described(kind)}"
    }

    /** The contract's `mail` member: what the author asked for, and the environment's recipients. */
    @NonCPS
    Map mail() {
        Map asked = [
            to      : addresses(arguments.to) ?: RunningBuild.env(script).NOTIFY_EMAIL_TO,
            cc      : addresses(arguments.cc),
            bcc     : addresses(arguments.bcc),
            reply_to: addresses(arguments.replyTo),
            subject : arguments.subject ? Texts.clean(arguments.subject, Texts.LONG) : null,
            template: arguments.template ? Texts.clean(arguments.template, Texts.LONG) : null,
            data    : arguments.data,
        ]
        Map mail = [:]
        for (entry in asked.entrySet()) {
            if (entry.value) {
                mail.put(entry.key, entry.value)
            }
        }
        return mail
    }

    @NonCPS
    String getUrl() {
        return address(arguments.url ?: RunningBuild.env(script).NOTIFY_EMAIL_URL)
    }

    /** A service's address as somebody wrote it, ready for a path to follow. */
    @NonCPS
    static String address(String written) {
        return written == null ? null : written.trim().replaceAll('/+$', '')
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

    /** Seconds for an HTTP request from a step. */
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
    private static boolean fits(String wanted, Object value) {
        switch (wanted) {
            case 'addresses':
                return value instanceof String || value instanceof Collection && areTexts(value)
            case 'map':
                return value instanceof Map
            case 'seconds':
                return value instanceof Integer && value >= 1 && value <= LONGEST_TIMEOUT
            case 'boolean':
                return value instanceof Boolean
            case 'exception':
                return value instanceof BuildError
            case 'transport':
                return value.toString() in TRANSPORTS
            case 'address':
                // Nothing that a shell would read as anything but text.
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
    private static String described(String wanted) {
        return [addresses: 'an address, several separated by commas, or a list of them',
                map      : 'a Map of plain values for the template',
                seconds  : "whole seconds from 1 to ${LONGEST_TIMEOUT}",
                boolean  : 'true or false',
                exception: 'the exception that was caught',
                transport: "one of ${TRANSPORTS.join(', ')}",
                address  : 'an http or https address, such as http://172.17.0.1:8525'].get(wanted) ?: 'a text'
    }

}
