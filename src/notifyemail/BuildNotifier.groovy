package notifyemail

/** The step itself: report, tell in the log, and let Jenkins' own mail step do it in need. */
class BuildNotifier implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script
    private final Options options

    BuildNotifier(Object script, Map arguments) {
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
            send(error)
        } catch (Throwable e) {
            if (!BuildReport.isInterruption(error)) {
                throw e
            }
        }
    }

    /** Whatever goes wrong here is told in the log and ends no build. An interruption passes through. */
    private Map send(Throwable error) {
        try {
            return sent(error)
        } catch (Throwable e) {
            if (BuildReport.isInterruption(e)) {
                throw e
            }
            String line = "notifyEmail: the report failed: ${Texts.sentence(Texts.reason(e))}"
            script.echo(line)
            return outcome([state: 'failed', error: line])
        }
    }

    private Map sent(Throwable error) {
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
    private String success(Answer answer, ReportClient client, Throwable error) {
        int count = answer.members.recipients
        String done = answer.repeated ? Answer.REPEATED
            : "reported ${BuildReport.result(script.currentBuild, error)} to ${count} recipient${count == 1 ? '' : 's'}"
        String ignored = options.urlGiven && client.isFromController() ?
            ' (url is for sandboxed libraries: the global address was used)' : ''
        return "notifyEmail: ${done}: ${answer.members.statusUrl}${ignored}"
    }

    /** Jenkins' mail step uses the same Postfix, so it is likely to work. */
    private Map mailInstead(Map mail, Throwable error, boolean doubtful) {
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
            if (BuildReport.isInterruption(e)) {
                throw e
            }
            return [state: 'failed', line: "Jenkins' own mail step failed too: ${Texts.sentence(Texts.reason(e))}"]
        }
    }

    @NonCPS
    private Map shortMail(Map mail, Throwable error) {
        Object build = script.currentBuild
        String result = BuildReport.result(build, error)
        String title = "${result}: ${build.fullDisplayName}"
        List lines = [title]
        if (error != null) {
            lines << Texts.clean(error.message ?: error.getClass().name, Texts.LONG)
        }
        if (script.env.BUILD_URL) {
            lines << "${script.env.BUILD_URL}"
        }
        lines << ''
        lines << 'This is a short mail: the report service could not be reached. The build log says why.'
        Map message = [subject: Texts.oneLine(mail.subject ?: title), body: lines.join('\n'), to: addresses(mail.to)]
        [cc: mail.cc, bcc: mail.bcc, replyTo: mail.reply_to].each { name, value ->
            if (value) {
                message[name] = addresses(value)
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
            found.addAll(words.size() == 1 ? words : words.findAll { word -> word.contains('@') })
        }
        return found.join(', ')
    }

    @NonCPS
    private static Map outcome(Map found) {
        return [state: found.state, id: found.id, messageId: found.messageId, statusUrl: found.statusUrl,
                previewUrl: found.previewUrl, error: found.error]
    }

}
