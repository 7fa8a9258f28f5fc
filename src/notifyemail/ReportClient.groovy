package notifyemail

/** Brings a report to the service, by whichever way this library and this build have. */
class ReportClient implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script
    private final Options options

    /** Set when the shell has already told in the log: an echo would be one more step. */
    boolean told = false

    ReportClient(Object script, Options options) {
        this.script = script
        this.options = options
    }

    /** Describes the build and brings that to the service. An interruption passes through; all else becomes an Answer. */
    Answer post(Map mail, Throwable error) {
        String wrong = options.misconfiguration()
        if (wrong) {
            return Answer.unavailable(wrong)
        }
        String json
        try {
            json = BuildReport.json(script, mail, error)
        } catch (Exception e) {
            // A plugin's change set, say, may fail in any way.
            return Answer.unavailable("the build can't be described: ${Texts.oneLine(e.message ?: e.getClass().name)}")
        }
        Answer first = sent(json)
        if (!first.doubtful) {
            return first
        }
        // The same report again is one mail: the service knows it by its content.
        Answer second = sent(json)
        return second.state == 'unavailable' ? Answer.unavailable(second.reason, true) : second
    }

    private Answer sent(String json) {
        String transport = options.transport
        boolean trusted = isTrusted()
        if (transport == 'controller' || (transport == 'auto' && trusted)) {
            return trusted ? ControllerPost.send(json) : Answer.unavailable('transport controller needs this library ' +
                'to be a trusted one: register it under Manage Jenkins, System, Global Trusted Pipeline Libraries')
        }
        if (options.url == null) {
            return Answer.unavailable('no service address: set the global variable NOTIFY_EMAIL_URL, or give url')
        }
        try {
            if (transport == 'shell') {
                return byShell(json)
            }
            return byHttpRequest(json)
        } catch (NoSuchMethodError ignored) {
            // The plugin is not installed. The error's text lists every step there is: not for a log.
            if (transport == 'auto') {
                return shellInstead(json)
            }
            return Answer.unavailable("transport ${transport} needs a step that is not installed")
        } catch (Exception e) {
            if (BuildReport.isInterruption(e)) {
                throw e
            }
            return failed(transport == 'shell' ? 'the shell' : 'httpRequest', e)
        }
    }

    /** Which machine asks: the reader of a failure needs to know where to look from. */
    @NonCPS
    String machine() {
        boolean steps = options.transport in ['httpRequest', 'shell'] || !isTrusted()
        return steps && options.transport != 'controller' && isInsideNode() ? "agent ${script.env.NODE_NAME}" : 'the controller'
    }

    /**
     * Whether this library runs outside of the sandbox, told without asking for anything that the
     * sandbox would refuse: even a refusal that is caught becomes a pending script approval.
     */
    @NonCPS
    static boolean isTrusted() {
        try {
            return ''.noSuchPropertyOfAString != null
        } catch (Exception e) {
            return "${e.message}".startsWith('No such property')
        }
    }

    @NonCPS
    private boolean isInsideNode() {
        return script.env.NODE_NAME && script.env.WORKSPACE
    }

    private Answer byHttpRequest(String json) {
        Map request = [
            url               : options.url + '/v1/reports',
            httpMode          : 'POST',
            contentType       : 'APPLICATION_JSON',
            requestBody       : json,
            timeout           : options.timeout,
            // Else a 4xx would fail the build.
            validResponseCodes: '100:599',
            quiet             : true,
        ]
        if (options.credentialsId) {
            request.authentication = options.credentialsId
        }
        Object response = script.httpRequest(request)
        return httpAnswer(options.url, response.status, "${response.content ?: ''}".toString())
    }

    /** The step tells a lost connection as a status, with the Java exception's name as the content. */
    @NonCPS
    private static Answer httpAnswer(String url, int status, String content) {
        if (status == 408 && content.contains('Exception')) {
            String text = content.toLowerCase()
            if (text.contains('refused')) {
                return Answer.refusedConnection(url)
            }
            return text.contains('connect') || text.contains('route') ? Answer.unreachable(url) : Answer.timedOut(url)
        }
        if (status == 404 && content.contains('UnknownHostException')) {
            return Answer.unknownHost(url)
        }
        return Answer.of(url, status, content)
    }

    private Answer shellInstead(String json) {
        if (!isInsideNode()) {
            return Answer.unavailable('there is no way to send it from outside of a node: install the HTTP Request ' +
                'plugin, or make this library a trusted one')
        }
        try {
            return byShell(json)
        } catch (Exception e) {
            if (BuildReport.isInterruption(e)) {
                throw e
            }
            return failed('the shell', e)
        }
    }

    /** A step's own failure; httpRequest tells one that came after it had sent the report so, too. */
    @NonCPS
    private Answer failed(String step, Exception e) {
        String text = "${e.message}"
        boolean sent = ['NoHttpResponse', 'ConnectionClosed', 'reset', 'Premature', 'Truncated'].any { sign -> text.contains(sign) }
        return sent ? Answer.cutOff(options.url) : Answer.unavailable("${step} failed: ${Texts.oneLine(text)}")
    }

    private Answer byShell(String json) {
        if (!isInsideNode()) {
            return Answer.unavailable('transport shell works inside of a node only')
        }
        boolean unix = ShellPost.isUnix("${script.env.WORKSPACE}")
        boolean hasToken = options.credentialsId != null
        String command = ShellPost.command(options.url, json, options.timeout, hasToken, unix)
        String output
        if (hasToken) {
            Map binding = [$class: 'UsernamePasswordMultiBinding', credentialsId: options.credentialsId,
                           usernameVariable: 'NOTIFY_EMAIL_USER', passwordVariable: 'NOTIFY_EMAIL_TOKEN']
            output = script.withCredentials([binding]) { shell(command, unix) }
        } else {
            output = shell(command, unix)
        }
        told = true
        return ShellPost.answer(options.url, output)
    }

    private String shell(String command, boolean unix) {
        Map arguments = [script: command, returnStdout: true, label: 'notifyEmail']
        return unix ? script.sh(arguments) : script.powershell(arguments)
    }

}
