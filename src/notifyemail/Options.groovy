package notifyemail

/**
 * The step's arguments, checked, with what the environment adds where they say nothing.
 *
 * Nothing here calls a step or keeps anything that is not Serializable.
 */
class Options implements Serializable {

    private static final long serialVersionUID = 1L

    /** Every argument, and what it takes: told when an unknown one is used. */
    static final Map<String, String> KNOWN = [
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
    ]
    static final List<String> TRANSPORTS = ['auto', 'controller', 'httpRequest', 'shell']
    static final int DEFAULT_TIMEOUT = 10
    static final int LONGEST_TIMEOUT = 60

    private final Map arguments
    private final Object script

    Options(Map arguments, Object script) {
        this.arguments = arguments
        this.script = script
    }

    /**
     * The arguments as values that a controller can save when a step begins. An author's data may be what
     * JsonSlurper or readYaml gave, or a change set, which it can't.
     */
    @NonCPS
    static Map plain(Map arguments) {
        Map plain = [:]
        for (entry in (arguments ?: [:]).entrySet()) {
            Object value = entry.value
            if (value instanceof Map) {
                value = Texts.plain(value)
            } else if (value instanceof Collection || value instanceof Object[]) {
                List items = []
                for (item in entry.value) {
                    items.add(item instanceof CharSequence ? item.toString() : item)
                }
                value = items
            }
            plain.put(entry.key.toString(), value)
        }
        return plain
    }

    /** What is wrong with the arguments, as a sentence for the build's author; null: nothing. */
    @NonCPS
    String mistake() {
        for (name in arguments.keySet()) {
            String wanted = KNOWN[name]
            if (wanted == null) {
                return "notifyEmail has no argument '${name}'. It knows: ${KNOWN.keySet().join(', ')}."
            }
            if (arguments[name] instanceof Object && !fits(wanted, arguments[name])) {
                return "notifyEmail: ${name} takes ${described(wanted)}."
            }
        }
        return null
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
        Map mail = [:]
        [to: addresses('to') ?: fromEnvironment('NOTIFY_EMAIL_TO'), cc: addresses('cc'), bcc: addresses('bcc'),
         reply_to: addresses('replyTo')].each { name, value ->
            if (value) {
                mail[name] = value
            }
        }
        ['subject', 'template'].each { name ->
            if (arguments[name]) {
                mail[name] = Texts.clean(arguments[name], Texts.LONG)
            }
        }
        if (arguments.data) {
            mail.data = arguments.data
        }
        return mail
    }

    @NonCPS
    String getUrl() {
        return address(arguments.url ?: fromEnvironment('NOTIFY_EMAIL_URL'))
    }

    /** A service's address as somebody wrote it, ready for a path to follow. */
    @NonCPS
    static String address(Object written) {
        return written == null ? null : written.toString().trim().replaceAll('/+$', '')
    }

    @NonCPS
    boolean isUrlGiven() {
        return arguments.url != null
    }

    @NonCPS
    String getCredentialsId() {
        return arguments.credentialsId ?: fromEnvironment('NOTIFY_EMAIL_CREDENTIALS_ID')
    }

    @NonCPS
    String getTransport() {
        return arguments.transport ?: fromEnvironment('NOTIFY_EMAIL_TRANSPORT') ?: 'auto'
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
    Throwable getError() {
        return arguments.error
    }

    @NonCPS
    private String addresses(String name) {
        Object value = arguments[name]
        return value instanceof Collection ? value.join(', ') : (value == null ? null : value.toString())
    }

    @NonCPS
    private String fromEnvironment(String name) {
        // Not env[name]: that is Groovy's own getAt(Object, String), which the sandbox refuses.
        Object value = script.env."${name}"
        return value ? value.toString() : null
    }

    @NonCPS
    private static boolean fits(String wanted, Object value) {
        switch (wanted) {
            case 'addresses':
                return value instanceof CharSequence ||
                    (value instanceof Collection && value.every { item -> item instanceof CharSequence })
            case 'map':
                return value instanceof Map
            case 'seconds':
                return value instanceof Integer && value >= 1 && value <= LONGEST_TIMEOUT
            case 'boolean':
                return value instanceof Boolean
            case 'exception':
                return value instanceof Throwable
            case 'transport':
                return value.toString() in TRANSPORTS
            case 'address':
                // Nothing that a shell would read as anything but text.
                return value instanceof CharSequence && value ==~ /https?:\/\/[^\s'"`$\\]+/
            default:
                return value instanceof CharSequence
        }
    }

    @NonCPS
    private static String described(String wanted) {
        return [addresses: 'an address, several separated by commas, or a list of them',
                map      : 'a Map of plain values for the template',
                seconds  : "whole seconds from 1 to ${LONGEST_TIMEOUT}",
                boolean  : 'true or false',
                exception: 'the exception that was caught',
                transport: "one of ${TRANSPORTS.join(', ')}",
                address  : 'an http or https address, such as http://172.17.0.1:8525'][wanted] ?: 'a text'
    }

}
