package notifyemail

import notifyemail.transport.ControllerTransport
import notifyemail.transport.HttpRequestTransport
import notifyemail.transport.ShellTransport

/** Chooses the transport of a report, and repeats a request whose answer was lost. */
final class ReportClient implements Serializable {

    private static final long serialVersionUID = 1L

    private final Script script
    private final Options options

    ReportClient(Script script, Options options) {
        this.script = script
        this.options = options
    }

    /**
     * Report the running build. An interruption passes through; every other failure becomes an answer.
     *
     * @param mail the contract's `mail` member
     * @param error what ended the build; null: currentBuild has the result
     */
    ServiceAnswer send(Map mail, BuildError error) {
        ServiceAnswer first = sendOnce(mail, error, false)
        if (!first.doubtful) {
            return first
        }
        // The service knows an equal report by its content, so both requests are one mail.
        ServiceAnswer second = sendOnce(mail, error, true)
        return second.state == 'unavailable' ? ServiceAnswer.unavailable(second.reason, true) : second.asNew()
    }

    /** Return whether the controller itself sends the report, with the global address and token. */
    @NonCPS
    boolean isFromController() {
        return options.transport in ['auto', 'controller'] && RunningBuild.isTrusted()
    }

    /** Return the machine that sends the report, from which a failure has to be examined. */
    @NonCPS
    String machine() {
        boolean isOnAgent = options.transport != 'controller' && !isFromController() && RunningBuild.isInsideNode(script)
        return isOnAgent ? "agent ${RunningBuild.env(script).NODE_NAME}" : 'the controller'
    }

    private ServiceAnswer sendOnce(Map mail, BuildError error, boolean isSecond) {
        if (isFromController()) {
            return ControllerTransport.send(mail, error)
        }
        String mistake = options.transportMistake() ?: Options.addressMistake(options.url)
        if (mistake) {
            return ServiceAnswer.unavailable(mistake)
        }
        if (options.transport == 'controller') {
            return ServiceAnswer.unavailable('transport controller needs this library to be a trusted one: register it under ' +
                'Manage Jenkins, System, Global Trusted Pipeline Libraries')
        }
        String json
        try {
            json = BuildReport.json(script, mail, error)
        } catch (Exception e) {
            return ServiceAnswer.unreadableBuild(e)
        }
        String newText = "reported ${BuildReport.result(script, error)}"
        String repeatedText = isSecond ? newText : ServiceAnswer.REPEATED
        return sendFromStep(options.transport == 'shell' ? 'shell' : 'httpRequest', json, newText, repeatedText)
    }

    private ServiceAnswer sendFromStep(String transport, String json, String newText, String repeatedText) {
        try {
            return transport == 'shell' ? ShellTransport.send(script, options, json, newText, repeatedText)
                : HttpRequestTransport.send(script, options, json)
        } catch (NoSuchMethodError ignored) {
            if (transport == 'httpRequest' && options.transport == 'auto') {
                return sendFromStep('shell', json, newText, repeatedText)
            }
            return ServiceAnswer.unavailable("transport ${transport} needs a step that is not installed")
        } catch (Exception e) {
            if (BuildError.isInterruption(e)) {
                throw e
            }
            return ServiceAnswer.failedStep(options.url, transport, e)
        }
    }

}
