package notifyemail

/** Brings a report to the service, by whichever way this library and this build have. */
final class ReportClient implements Serializable {

    private static final long serialVersionUID = 1L

    /** What the step gives. Of another object nothing is read: a caller's script may hand in any. */
    private static final String RESPONSE = 'jenkins.plugins.http_request.ResponseContentSupplier'

    private final Script script
    private final Options options

    /** Set when the shell has already told in the log: an echo would be one more step. */
    boolean told = false

    ReportClient(Script script, Options options) {
        this.script = script
        this.options = options
    }

    /** Describes the build and brings that to the service. An interruption passes through; all else becomes an Answer. */
    Answer post(Map mail, BuildError error) {
        String reported = "reported ${BuildReport.result(script, error)}"
        Answer first = sent(mail, error, reported, Answer.REPEATED)
        if (!first.doubtful) {
            return first
        }
        // The same report again is one mail: the service knows it by its content.
        Answer second = sent(mail, error, reported, reported)
        return second.state == 'unavailable' ? Answer.unavailable(second.reason, true) : second.asFirst()
    }

    /** Where a shell sends it, it also writes the line in the log: `fresh` of a new report, `known` of one the service had. */
    private Answer sent(Map mail, BuildError error, String fresh, String known) {
        if (isFromController()) {
            return ControllerPost.send(mail, error)
        }
        String wrong = options.wrongTransport() ?: Options.wrongAddress(options.url)
        if (wrong) {
            return Answer.unavailable(wrong)
        }
        if (options.transport == 'controller') {
            return Answer.unavailable('transport controller needs this library to be a trusted one: register it under ' +
                'Manage Jenkins, System, Global Trusted Pipeline Libraries')
        }
        String json
        try {
            json = BuildReport.json(script, mail, error)
        } catch (Exception e) {
            return Answer.indescribable(e)
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
            if (BuildError.isInterruption(e)) {
                throw e
            }
            return failed(way, e)
        }
    }

    @NonCPS
    boolean isFromController() {
        return options.transport in ['auto', 'controller'] && RunningBuild.isTrusted()
    }

    /** Which machine asks: the reader of a failure needs to know where to look from. */
    @NonCPS
    String machine() {
        boolean onAgent = options.transport != 'controller' && !isFromController() && RunningBuild.isInsideNode(script)
        return onAgent ? "agent ${RunningBuild.env(script).NODE_NAME}" : 'the controller'
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
        if (Texts.typeOf(response) != RESPONSE) {
            return Answer.unavailable('the step httpRequest is not that of the HTTP Request plugin: does the Pipeline define a ' +
                'variable or a method of that name?')
        }
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
        String text = "${Texts.typeOf(e)} ${Texts.message(e)}"
        boolean sent = false
        for (sign in ['NoHttpResponse', 'ConnectionClosed', 'reset', 'Premature', 'Truncated', 'ChannelClosed', 'RequestAborted',
                     'termination of the channel']) {
            sent = sent || text.contains(sign)
        }
        return sent ? Answer.cutOff(options.url) : Answer.unavailable("${way} failed: ${Texts.reason(e)}")
    }

    private Answer byShell(String json, String fresh, String known) {
        if (!RunningBuild.isInsideNode(script)) {
            return Answer.unavailable(options.transport == 'shell' ? 'transport shell works inside of a node only'
                : 'there is no way to send it from outside of a node: install the HTTP Request plugin, or make this library a trusted one')
        }
        boolean unix = ShellPost.isUnix(RunningBuild.env(script).WORKSPACE)
        boolean hasToken = options.credentialsId != null
        ShellPost post = new ShellPost(options.url, options.timeout, hasToken)
        Map arguments = [script: post.command(json, fresh, known, unix), returnStdout: true, label: 'notifyEmail']
        String output
        if (hasToken) {
            Map binding = [$class: 'UsernamePasswordMultiBinding', credentialsId: options.credentialsId,
                           usernameVariable: 'NOTIFY_EMAIL_USER', passwordVariable: 'NOTIFY_EMAIL_TOKEN']
            // Of `this`: a caller's own step of that name could give the closure another object to call it on.
            output = script.withCredentials([binding]) { this.shell(arguments, unix) }
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
