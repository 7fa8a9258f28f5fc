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
        return send(options.error)
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
        send(null)
        return value
    }

    private void check() {
        String mistake = options.mistake()
        if (mistake) {
            script.error(mistake)
        }
    }

    /** Reports an error without ever taking its place; only an abort of the build may do that, once. */
    private void attempt(Throwable error) {
        try {
            send(error)
        } catch (Throwable e) {
            if (BuildReport.isInterruption(e) && !BuildReport.isInterruption(error)) {
                throw e
            }
        }
    }

    private Map send(Throwable error) {
        Map mail = options.mail()
        ReportClient client = new ReportClient(script, options)
        Answer answer = client.post(mail, error)
        if (answer.state == 'accepted') {
            if (!client.told) {
                script.echo(success(answer, client, error))
            }
            return outcome(answer.members + [error: null])
        }
        String line = "notifyEmail: ${answer.state == 'refused' ? '' : client.machine() + ' tried: '}${answer.reason}."
        String state = 'refused'
        if (answer.state == 'unavailable') {
            Map sent = mailInstead(mail, error, answer.doubtful)
            state = sent.state
            line += ' ' + sent.line
        }
        script.echo(line)
        if (options.failOnError) {
            script.error(line)
        }
        return outcome([state: state, error: line])
    }

    @NonCPS
    private String success(Answer answer, ReportClient client, Throwable error) {
        int count = answer.members.recipients
        String ignored = options.urlGiven && client.machine() == 'the controller' && ReportClient.trusted &&
            options.transport in ['auto', 'controller'] ? ' (url is for sandboxed libraries: the global address was used)' : ''
        return "notifyEmail: reported ${BuildReport.result(script.currentBuild, error)} to ${count} " +
            "recipient${count == 1 ? '' : 's'}: ${answer.members.statusUrl}${ignored}"
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
            return [state: 'failed', line: "Jenkins' own mail step failed too: ${Texts.oneLine(e.message ?: e.getClass().name)}."]
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
        Map message = [subject: Texts.oneLine(mail.subject ?: title), body: lines.join('\n'), to: mail.to ?: '']
        [cc: mail.cc, bcc: mail.bcc, replyTo: mail.reply_to].each { name, value ->
            if (value) {
                message[name] = value
            }
        }
        return message
    }

    @NonCPS
    private static Map outcome(Map found) {
        return [state: found.state, id: found.id, messageId: found.messageId, statusUrl: found.statusUrl,
                previewUrl: found.previewUrl, error: found.error]
    }

}
