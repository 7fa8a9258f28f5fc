package notifyemail

/** The step: it reports the build, writes one line in the log, and lets Jenkins' own mail step mail if the service can't. */
final class BuildNotifier implements Serializable {

    private static final long serialVersionUID = 1L

    private final Script script
    private final Options options

    BuildNotifier(Script script, Map arguments) {
        this.script = script
        this.options = new Options(arguments, script)
    }

    /** Report the build as it is now, and return the step's result. */
    Map report() {
        checkArguments()
        Map result = send(options.error)
        failIfRequired(result)
        return result
    }

    /** Run the body, and report its success or its exception. Its value or exception passes through unchanged. */
    Object around(Closure body) {
        checkArguments()
        Object value
        try {
            value = body()
        } catch (Throwable e) {
            sendError(BuildError.from(e))
            throw e
        }
        failIfRequired(send(null))
        return value
    }

    private void checkArguments() {
        String mistake = options.mistake()
        if (mistake) {
            script.error(mistake)
        }
    }

    private void failIfRequired(Map result) {
        if (options.failOnError && result.error) {
            script.error(result.error)
        }
    }

    /** Report the body's exception. An interruption of the report replaces it, unless the body was stopped itself. */
    private void sendError(BuildError error) {
        try {
            send(error)
        } catch (Throwable e) {
            if (!error.stopped) {
                throw e
            }
        }
    }

    /** Report, and write any failure in the log: none ends the build. An interruption passes through. */
    private Map send(BuildError error) {
        try {
            return sendOrMail(error)
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            String line = "notifyEmail: the report failed: ${JsonValues.sentence(BuildError.reason(e))}"
            log(line)
            return result([state: 'failed', error: line])
        }
    }

    private Map sendOrMail(BuildError error) {
        Map mail = options.mail()
        ReportClient client = new ReportClient(script, options)
        ServiceAnswer answer
        if (client.isFromController()) {
            answer = client.sendFromController(mail, error)
        } else {
            mail = mail.recipients ? EmailExt.withAddresses(script, mail) : mail
            answer = client.send(mail, error)
        }
        Map mailed = answer.state == 'unavailable' ? mailInstead(mail, error, answer) : [:]
        String text = logText(answer, client, error, mailed.text)
        if (text) {
            log(text)
        }
        return answer.state == 'accepted' ? result(answer.members + [error: null])
            : result([state: mailed.state ?: 'refused', error: text])
    }

    /** Return what the build log says of an answer; empty: it has everything already. */
    @NonCPS
    private String logText(ServiceAnswer answer, ReportClient client, BuildError error, String mailed) {
        switch (answer.state) {
            case 'accepted':
                return acceptedText(answer, client, error)
            case 'refused':
                return "notifyEmail: ${JsonValues.sentence(answer.reason)} No mail was sent."
            default:
                return "notifyEmail: ${client.machine()} tried: ${JsonValues.sentence(answer.reason)} ${mailed}"
        }
    }

    /** Return what the build log says of an accepted report; empty: it has everything already. */
    @NonCPS
    private String acceptedText(ServiceAnswer answer, ReportClient client, BuildError error) {
        List lines = []
        boolean isSkipped = answer.members.state == 'skipped'
        if (!answer.logged) {
            int count = answer.members.recipients
            String reached = isSkipped ? 'and nobody gets a mail' : "to ${count} recipient${count == 1 ? '' : 's'}"
            if (!isSkipped && count == 0) {
                reached = 'to the people whom the service finds'
            }
            String made = options.dryRun ? 'made a mail about' : 'reported'
            String done = answer.repeated ? ServiceAnswer.REPEATED : "${made} ${BuildReport.result(script, error)} ${reached}"
            String unsent = options.dryRun ? ', and sent it to nobody (dryRun)' : ''
            String link = options.dryRun ? answer.members.previewUrl : answer.members.statusUrl
            String ignored = options.urlGiven && client.isFromController() ?
                ' (url is for sandboxed libraries: the global address was used)' : ''
            lines << "notifyEmail: ${done}${unsent}: ${link}${ignored}"
        }
        if (answer.members.missing) {
            String missing = JsonValues.sentence(answer.members.missing)
            lines << (isSkipped ? "notifyEmail: no mail: ${missing}" : "notifyEmail: the mail goes without ${missing}")
        }
        return lines.join('\n')
    }

    private void log(String line) {
        if (RunningBuild.isTrusted()) {
            RunningBuild.print(line)
        } else {
            script.echo(line)
        }
    }

    /** Let Jenkins' own mail step send a short mail, and return state and text. It uses the same Postfix, so it should work. */
    private Map mailInstead(Map report, BuildError error, ServiceAnswer answer) {
        if (options.dryRun) {
            return [state: 'failed', text: 'No mail was made: dryRun needs the service.']
        }
        Map mail = report.recipients ? EmailExt.withAddresses(script, report) : report
        if (mail.recipients && !mail.to) {
            mail = mail + [to: options.defaultRecipients]
        }
        if (!mail.to && !mail.cc && !mail.bcc) {
            return [state: 'failed', text: 'No mail was sent: neither `to` nor NOTIFY_EMAIL_TO names a recipient.']
        }
        try {
            script.mail(ShortMail.arguments(script, mail, error, answer.reason))
            String doubt = answer.doubtful ? ' It may be doubled.' : ''
            return [state: 'mailed', text: "Jenkins' own mail step sent a short mail instead.${doubt}"]
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            return [state: 'failed', text: BuildError.isMissingStep(e) ? 'No mail was sent: Jenkins has no mail step.'
                : "Jenkins' own mail step failed too: ${JsonValues.sentence(BuildError.reason(e))}"]
        }
    }

    /** Return the step's result: always the same members. */
    @NonCPS
    private static Map result(Map values) {
        return [state: values.state, id: values.id, messageId: values.messageId, statusUrl: values.statusUrl,
                previewUrl: values.previewUrl, error: values.error]
    }

}
