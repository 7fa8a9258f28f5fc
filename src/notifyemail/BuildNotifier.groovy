package notifyemail

/** The step itself: report, tell in the log, and let Jenkins' own mail step do it in need. */
final class BuildNotifier implements Serializable {

    private static final long serialVersionUID = 1L

    private final Script script
    private final Options options

    BuildNotifier(Script script, Map arguments) {
        this.script = script
        this.options = new Options(arguments, script)
    }

    /** Reports the build as it stands. */
    Map report() {
        check()
        return required(send(options.error))
    }

    /** Runs the body and reports what became of it; its value or its own exception passes through. */
    Object around(Closure body) {
        check()
        Object value
        try {
            value = body()
        } catch (Throwable e) {
            attempt(e)
            throw e
        }
        required(send(null))
        return value
    }

    private void check() {
        String mistake = options.mistake()
        if (mistake) {
            script.error(mistake)
        }
    }

    private Map required(Map sent) {
        if (options.failOnError && sent.error) {
            script.error(sent.error)
        }
        return sent
    }

    /** Reports an error without ever taking its place; only an abort of the build may do that, once. */
    private void attempt(Throwable error) {
        try {
            send(BuildError.of(error))
        } catch (Throwable e) {
            if (!BuildError.isInterruption(error)) {
                throw e
            }
        }
    }

    /** Whatever goes wrong here is told in the log and ends no build. An interruption passes through. */
    private Map send(BuildError error) {
        try {
            return sent(error)
        } catch (Throwable e) {
            if (BuildError.isInterruption(e)) {
                throw e
            }
            String line = "notifyEmail: the report failed: ${Texts.sentence(Texts.reason(e))}"
            script.echo(line)
            return outcome([state: 'failed', error: line])
        }
    }

    private Map sent(BuildError error) {
        Map mail = options.mail()
        ReportClient client = new ReportClient(script, options)
        Answer answer = client.post(mail, error)
        if (answer.state == 'accepted') {
            if (!client.told) {
                script.echo(success(answer, client, error))
            }
            return outcome(answer.members + [error: null])
        }
        String who = answer.state == 'refused' ? '' : "${client.machine()} tried: "
        String line = "notifyEmail: ${who}${Texts.sentence(answer.reason)}"
        String state = 'refused'
        if (answer.state == 'unavailable') {
            Map mailed = mailInstead(mail, error, answer.doubtful)
            state = mailed.state
            line += ' ' + mailed.line
        }
        script.echo(line)
        return outcome([state: state, error: line])
    }

    @NonCPS
    private String success(Answer answer, ReportClient client, BuildError error) {
        int count = answer.members.recipients
        String done = answer.repeated ? Answer.REPEATED
            : "reported ${BuildReport.result(script, error)} to ${count} recipient${count == 1 ? '' : 's'}"
        String ignored = options.urlGiven && client.isFromController() ?
            ' (url is for sandboxed libraries: the global address was used)' : ''
        return "notifyEmail: ${done}: ${answer.members.statusUrl}${ignored}"
    }

    /** Jenkins' mail step uses the same Postfix, so it is likely to work. */
    private Map mailInstead(Map mail, BuildError error, boolean doubtful) {
        if (!mail.to && !mail.cc && !mail.bcc) {
            return [state: 'failed', line: 'No mail was sent: neither `to` nor NOTIFY_EMAIL_TO names a recipient.']
        }
        String doubled = doubtful ? ' It may be doubled.' : ''
        try {
            script.mail(shortMail(mail, error))
            return [state: 'mailed', line: "Jenkins' own mail step sent a short mail instead.${doubled}"]
        } catch (NoSuchMethodError ignored) {
            return [state: 'failed', line: 'No mail was sent: Jenkins has no mail step.']
        } catch (Exception e) {
            if (BuildError.isInterruption(e)) {
                throw e
            }
            return [state: 'failed', line: "Jenkins' own mail step failed too: ${Texts.sentence(Texts.reason(e))}"]
        }
    }

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
        Map message = [subject: Texts.oneLine(mail.subject ?: title), body: lines.join('\n'), to: addresses(mail.to)]
        Map others = [cc: mail.cc, bcc: mail.bcc, replyTo: mail.reply_to]
        for (entry in others.entrySet()) {
            if (entry.value) {
                message.put(entry.key, addresses(entry.value))
            }
        }
        return message
    }

    /**
     * Addresses as the mail step takes them, which cuts at each space and comma and completes what has no @:
     * the words of a name would become recipients.
     */
    @NonCPS
    private static String addresses(Object people) {
        List found = []
        for (piece in "${people ?: ''}".replaceAll(/"(\\.|[^"\\])*"/, ' ').split('[,;]')) {
            String person = piece.contains('<') ? piece.substring(piece.indexOf('<') + 1).replaceAll(/>.*/, '') : piece
            List words = person.trim().split(' ') as List
            for (word in words) {
                if (words.size() == 1 || word.contains('@')) {
                    found << word
                }
            }
        }
        return found.join(', ')
    }

    @NonCPS
    private static Map outcome(Map found) {
        return [state: found.state, id: found.id, messageId: found.messageId, statusUrl: found.statusUrl,
                previewUrl: found.previewUrl, error: found.error]
    }

}
