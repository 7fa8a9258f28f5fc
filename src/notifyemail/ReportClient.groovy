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
        String json
        try {
            json = BuildReport.json(script, mail, error)
        } catch (Exception e) {
            // A plugin's change set, say, may fail in any way.
            return Answer.unavailable("the build can't be described: ${Texts.reason(e)}")
        }
        String reported = "reported ${BuildReport.result(script.currentBuild, error)}"
        Answer first = sent(json, reported, Answer.REPEATED)
        if (!first.doubtful) {
            return first
        }
        // The same report again is one mail: the service knows it by its content.
        Answer second = sent(json, reported, reported)
        return second.state == 'unavailable' ? Answer.unavailable(second.reason, true) : second.asFirst()
    }

    /** Where a shell sends it, it is also what tells: `fresh` of a new report, `known` of one that the service had. */
    private Answer sent(String json, String fresh, String known) {
        if (isFromController()) {
            return ControllerPost.send(json)
        }
        String wrong = options.wrongTransport() ?: Options.wrongAddress(options.url)
        if (wrong) {
            return Answer.unavailable(wrong)
        }
        if (options.transport == 'controller') {
            return Answer.unavailable('transport controller needs this library to be a trusted one: register it under ' +
                'Manage Jenkins, System, Global Trusted Pipeline Libraries')
        }
        return by(options.transport == 'shell' ? 'shell' : 'httpRequest', json, fresh, known)
    }

    private Answer by(String way, String json, String fresh, String known) {
        try {
            return way == 'shell' ? byShell(json, fresh, known) : byHttpRequest(json)
        } catch (NoSuchMethodError ignored) {
            // The error's text lists every step there is: not for a log.
            if (way == 'httpRequest' && options.transport == 'auto') {
                return by('shell', json, fresh, known)
            }
            return Answer.unavailable("transport ${way} needs a step that is not installed")
        } catch (Exception e) {
            if (BuildReport.isInterruption(e)) {
                throw e
            }
            return failed(way, e)
        }
    }

    @NonCPS
    boolean isFromController() {
        return options.transport in ['auto', 'controller'] && isTrusted()
    }

    /** Which machine asks: the reader of a failure needs to know where to look from. */
    @NonCPS
    String machine() {
        boolean onAgent = options.transport != 'controller' && !isFromController() && isInsideNode()
        return onAgent ? "agent ${script.env.NODE_NAME}" : 'the controller'
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

    /** A step's own failure; one that came after the report was sent is told so, too, when an agent is lost, say. */
    @NonCPS
    private Answer failed(String way, Exception e) {
        String text = "${e.getClass().name} ${e.message}"
        boolean sent = ['NoHttpResponse', 'ConnectionClosed', 'reset', 'Premature', 'Truncated', 'ChannelClosed', 'RequestAborted',
                        'termination of the channel'].any { sign -> text.contains(sign) }
        return sent ? Answer.cutOff(options.url) : Answer.unavailable("${way} failed: ${Texts.reason(e)}")
    }

    private Answer byShell(String json, String fresh, String known) {
        if (!isInsideNode()) {
            return Answer.unavailable(options.transport == 'shell' ? 'transport shell works inside of a node only'
                : 'there is no way to send it from outside of a node: install the HTTP Request plugin, or make this library a trusted one')
        }
        boolean unix = ShellPost.isUnix("${script.env.WORKSPACE}")
        boolean hasToken = options.credentialsId != null
        ShellPost post = new ShellPost(options.url, options.timeout, hasToken)
        Map arguments = [script: post.command(json, fresh, known, unix), returnStdout: true, label: 'notifyEmail']
        String output
        if (hasToken) {
            Map binding = [$class: 'UsernamePasswordMultiBinding', credentialsId: options.credentialsId,
                           usernameVariable: 'NOTIFY_EMAIL_USER', passwordVariable: 'NOTIFY_EMAIL_TOKEN']
            output = script.withCredentials([binding]) { shell(arguments, unix) }
        } else {
            output = shell(arguments, unix)
        }
        Answer answer = post.answer(output)
        told = answer.state == 'accepted'
        return answer
    }

    private String shell(Map arguments, boolean unix) {
        return unix ? script.sh(arguments) : script.powershell(arguments)
    }

}
