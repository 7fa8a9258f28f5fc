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
            sendError(e)
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

    /** Report the body's exception. An interruption of the report replaces it, unless it is an interruption itself. */
    private void sendError(Throwable error) {
        try {
            send(BuildError.from(error))
        } catch (Throwable e) {
            if (!BuildError.isInterruption(error)) {
                throw e
            }
        }
    }

    /** Report, and write any failure in the log: none ends the build. An interruption passes through. */
    private Map send(BuildError error) {
        try {
            return sendOrMail(error)
        } catch (Throwable e) {
            if (BuildError.isInterruption(e)) {
                throw e
            }
            String line = "notifyEmail: the report failed: ${sentence(BuildError.reason(e))}"
            script.echo(line)
            return result([state: 'failed', error: line])
        }
    }

    private Map sendOrMail(BuildError error) {
        Map mail = options.mail()
        ReportClient client = new ReportClient(script, options)
        ServiceAnswer answer = client.send(mail, error)
        if (answer.state == 'accepted') {
            if (!answer.logged) {
                script.echo(successLine(answer, client, error))
            }
            return result(answer.members + [error: null])
        }
        if (answer.state == 'refused') {
            String line = "notifyEmail: ${sentence(answer.reason)}"
            script.echo(line)
            return result([state: 'refused', error: line])
        }
        Map mailed = mailInstead(mail, error, answer.doubtful)
        String line = "notifyEmail: ${client.machine()} tried: ${sentence(answer.reason)} ${mailed.text}"
        script.echo(line)
        return result([state: mailed.state, error: line])
    }

    @NonCPS
    private String successLine(ServiceAnswer answer, ReportClient client, BuildError error) {
        int count = answer.members.recipients
        String done = answer.repeated ? ServiceAnswer.REPEATED
            : "reported ${BuildReport.result(script, error)} to ${count} recipient${count == 1 ? '' : 's'}"
        String ignored = options.urlGiven && client.isFromController() ?
            ' (url is for sandboxed libraries: the global address was used)' : ''
        return "notifyEmail: ${done}: ${answer.members.statusUrl}${ignored}"
    }

    /** Let Jenkins' own mail step send a short mail, and return state and text. It uses the same Postfix, so it should work. */
    private Map mailInstead(Map mail, BuildError error, boolean doubtful) {
        if (!mail.to && !mail.cc && !mail.bcc) {
            return [state: 'failed', text: 'No mail was sent: neither `to` nor NOTIFY_EMAIL_TO names a recipient.']
        }
        try {
            script.mail(shortMail(mail, error))
            return [state: 'mailed', text: "Jenkins' own mail step sent a short mail instead.${doubtful ? ' It may be doubled.' : ''}"]
        } catch (NoSuchMethodError ignored) {
            return [state: 'failed', text: 'No mail was sent: Jenkins has no mail step.']
        } catch (Exception e) {
            if (BuildError.isInterruption(e)) {
                throw e
            }
            return [state: 'failed', text: "Jenkins' own mail step failed too: ${sentence(BuildError.reason(e))}"]
        }
    }

    /** Return the mail step's arguments. */
    @NonCPS
    private Map shortMail(Map mail, BuildError error) {
        String title = "${BuildReport.result(script, error)}: ${RunningBuild.currentBuild(script).fullDisplayName}"
        List lines = [title]
        if (error != null) {
            lines << error.message
        }
        String link = RunningBuild.env(script).BUILD_URL
        if (link) {
            lines << link
        }
        lines << ''
        lines << 'This is a short mail: the report service could not be reached. The build log says why.'
        Map message = [subject: JsonValues.oneLine(mail.subject ?: title), body: lines.join('\n'), to: addresses(mail.to)]
        Map others = [cc: mail.cc, bcc: mail.bcc, replyTo: mail.reply_to]
        for (entry in others.entrySet()) {
            if (entry.value) {
                message.put(entry.key, addresses(entry.value))
            }
        }
        return message
    }

    /**
     * Return the addresses without names. The mail step cuts its text at spaces and commas, and adds a domain to
     * each piece without an @: the words of a name would become recipients.
     */
    @NonCPS
    private static String addresses(Object recipients) {
        List addresses = []
        for (recipient in "${recipients ?: ''}".replaceAll(/"(\\.|[^"\\])*"/, ' ').split('[,;]')) {
            String address = recipient.contains('<') ? recipient.substring(recipient.indexOf('<') + 1).replaceAll(/>.*/, '') : recipient
            List words = address.trim().split(' ') as List
            for (word in words) {
                if (words.size() == 1 || word.contains('@')) {
                    addresses << word
                }
            }
        }
        return addresses.join(', ')
    }

    /** Return the text with one full stop at its end, unless it is a question. */
    @NonCPS
    private static String sentence(String text) {
        return text.endsWith('.') || text.endsWith('?') ? text : text + '.'
    }

    /** Return the step's result: always the same members. */
    @NonCPS
    private static Map result(Map values) {
        return [state: values.state, id: values.id, messageId: values.messageId, statusUrl: values.statusUrl,
                previewUrl: values.previewUrl, error: values.error]
    }

}
