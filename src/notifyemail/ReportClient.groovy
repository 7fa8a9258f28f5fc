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
        // The service knows an equal report by its content, so both requests are one mail.
        return first.doubtful ? afterDoubt(sendOnce(mail, error, true)) : first
    }

    /** Report the running build like `send`, from the controller. */
    @NonCPS
    ServiceAnswer sendFromController(Map mail, BuildError error) {
        ServiceAnswer first = ControllerTransport.send(mail, error)
        // Both requests have the same idempotency key.
        return first.doubtful ? afterDoubt(ControllerTransport.send(mail, error)) : first
    }

    /** Return what the answer to a second request means after the first one's was lost. */
    @NonCPS
    private static ServiceAnswer afterDoubt(ServiceAnswer second) {
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
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            return ServiceAnswer.unreadableBuild(e)
        }
        String result = BuildReport.result(script, error)
        String newText = options.dryRun ? "made a mail about ${result}, and sent it to nobody (dryRun)" : "reported ${result}"
        String repeatedText = isSecond ? newText : ServiceAnswer.REPEATED
        return sendFromStep(options.transport == 'shell' ? 'shell' : 'httpRequest', json, newText, repeatedText)
    }

    private ServiceAnswer sendFromStep(String transport, String json, String newText, String repeatedText) {
        try {
            return transport == 'shell' ? ShellTransport.send(script, options, json, newText, repeatedText)
                : HttpRequestTransport.send(script, options, json)
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            if (!BuildError.isMissingStep(e)) {
                return ServiceAnswer.failedStep(options.url, transport, e)
            }
        }
        return transport == 'httpRequest' && options.transport == 'auto' ? sendFromStep('shell', json, newText, repeatedText)
            : ServiceAnswer.unavailable("transport ${transport} needs a step that is not installed")
    }

}
