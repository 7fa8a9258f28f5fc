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
        recipients   : 'kinds',
        from         : 'text',
        replyTo      : 'addresses',
        subject      : 'text',
        body         : 'text',
        attach       : 'patterns',
        attachLog    : 'boolean',
        template     : 'text',
        data         : 'map',
        url          : 'address',
        credentialsId: 'text',
        transport    : 'transport',
        timeout      : 'seconds',
        failOnError  : 'boolean',
        dryRun       : 'boolean',
        error        : 'exception',
    ])
    /** What recipients may have to do with the build: email-ext's names, and suspects. The service finds out who they are. */
    static final List<String> KINDS = Collections.unmodifiableList([
        'developers', 'culprits', 'requestor', 'upstreamDevelopers', 'brokenTestsSuspects', 'brokenBuildSuspects', 'previous',
        'contributor', 'suspects',
    ])
    static final List<String> TRANSPORTS = Collections.unmodifiableList(['auto', 'controller', 'httpRequest', 'shell'])
    /** Characters of the author's own words in a mail. */
    static final int MAX_BODY = 8192
    static final int MAX_PATTERNS = 20
    // Seconds.
    static final int DEFAULT_TIMEOUT = 10
    static final int MAX_TIMEOUT = 60

    private static final String SEPARATORS = '[,;\\s]+'
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

    /**
     * Return the contract's `mail` member: the author's arguments, and the environment's recipients if there are
     * neither `to` nor `recipients`.
     */
    @NonCPS
    Map mail() {
        String named = addresses(arguments.to)
        List kinds = texts(arguments.recipients, SEPARATORS)
        String standard = named || kinds ? null : defaultRecipients
        Map values = [
            to           : named ?: standard,
            to_is_default: standard ? true : null,
            cc           : addresses(arguments.cc),
            bcc          : addresses(arguments.bcc),
            recipients   : kinds,
            from         : arguments.from ? JsonValues.text(arguments.from, JsonValues.MAX_NAME) : null,
            reply_to     : addresses(arguments.replyTo),
            subject      : arguments.subject ? JsonValues.text(arguments.subject, JsonValues.MAX_MESSAGE) : null,
            body         : arguments.body ? JsonValues.text(arguments.body, MAX_BODY) : null,
            attach       : texts(arguments.attach, ','),
            attach_log   : arguments.attachLog,
            template     : arguments.template ? JsonValues.text(arguments.template, JsonValues.MAX_MESSAGE) : null,
            data         : arguments.data,
            dry_run      : arguments.dryRun,
        ]
        Map mail = [:]
        for (entry in values.entrySet()) {
            if (entry.value) {
                mail.put(entry.key, entry.value)
            }
        }
        return mail
    }

    /** Return the recipients of the environment; null: there are none. */
    @NonCPS
    String getDefaultRecipients() {
        return RunningBuild.env(script).NOTIFY_EMAIL_TO
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

    /** Return whether the service is to make the mail and not to send it. Then nobody else sends one, either. */
    @NonCPS
    boolean isDryRun() {
        return arguments.dryRun == true
    }

    @NonCPS
    BuildError getError() {
        return arguments.error
    }

    /** Return recipients as one text, which the service splits. A list's empty members are left out. */
    @NonCPS
    private static String addresses(Object value) {
        if (!(value instanceof Collection)) {
            return value
        }
        List texts = []
        for (text in value) {
            if (text instanceof String && text.trim()) {
                texts << text
            }
        }
        return texts.join(', ')
    }

    /** Return each part once, of one text or of a list of texts, between separators. */
    @NonCPS
    private static List texts(Object value, String separators) {
        List texts = []
        String all = addresses(value)
        for (part in (all ? all.split(separators) : [])) {
            String text = part.trim()
            if (text && !texts.contains(text)) {
                texts << text
            }
        }
        return texts
    }

    @NonCPS
    private static boolean areKinds(List values) {
        for (value in values) {
            if (!(value in KINDS)) {
                return false
            }
        }
        return true
    }

    /** Return whether these are patterns of paths below the build's artifacts. */
    @NonCPS
    static boolean arePatterns(List values) {
        for (value in values) {
            boolean isText = value instanceof String && value.length() <= JsonValues.MAX_NAME
            if (!isText || value.startsWith('/') || value.contains('\\') || ('/' + value + '/').contains('/../')) {
                return false
            }
        }
        return values.size() <= MAX_PATTERNS
    }

    @NonCPS
    private static boolean fits(String kind, Object value) {
        switch (kind) {
            case 'addresses':
                return value instanceof String || value instanceof Collection && areTexts(value)
            case 'kinds':
                return fits('addresses', value) && areKinds(texts(value, SEPARATORS))
            case 'patterns':
                return fits('addresses', value) && arePatterns(texts(value, ','))
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
            if (value != null && !(value instanceof String)) {
                return false
            }
        }
        return true
    }

    @NonCPS
    private static String expected(String kind) {
        return [addresses: 'an address, several separated by commas, or a list of them',
                kinds    : "one or several of ${KINDS.join(', ')}",
                patterns : "patterns of archived artifacts without '..', such as 'reports/*.pdf', at most ${MAX_PATTERNS}",
                map      : 'a Map of plain values for the template',
                seconds  : "whole seconds from 1 to ${MAX_TIMEOUT}",
                boolean  : 'true or false',
                exception: 'the exception that was caught',
                transport: "one of ${TRANSPORTS.join(', ')}",
                address  : 'an http or https address, such as http://172.17.0.1:8525'].get(kind) ?: 'a text'
    }

}
