package notifyemail

/** The short mail that Jenkins' own mail step sends if the service can't take a report. Pure functions. */
final class ShortMail implements Serializable {

    private static final long serialVersionUID = 1L

    /**
     * Return the mail step's arguments. What can't be read of the build is left out.
     *
     * @param mail the contract's `mail` member
     * @param error what ended the build; null: currentBuild has the result
     * @param reason why there is no report
     */
    @NonCPS
    static Map arguments(Script script, Map mail, BuildError error, String reason) {
        Map known = [result: error == null ? '' : error.result, name: '', link: '']
        for (member in ['result', 'name', 'link']) {
            try {
                switch (member) {
                    case 'result':
                        known.result = BuildReport.result(script, error)
                        break
                    case 'name':
                        known.name = JsonValues.name(RunningBuild.currentBuild(script).fullDisplayName)
                        break
                    default:
                        known.link = RunningBuild.env(script).BUILD_URL
                }
            } catch (Throwable e) {
                BuildError.throwInterruption(e)
            }
        }
        String title = "${known.result ?: 'Build ended'}: ${known.name ?: 'Jenkins can not say which build'}"
        List lines = [title]
        if (error != null) {
            lines << error.message
        }
        if (known.link) {
            lines << known.link
        }
        if (mail.body) {
            lines << ''
            lines << mail.body
        }
        lines << ''
        lines << "This is a short mail, because the report could not be sent: ${JsonValues.sentence(reason)}"
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
     * Return the addresses without names. The mail step cuts its text at white space and commas, and adds a domain
     * to each piece without an @: the words of a name would become recipients.
     */
    @NonCPS
    private static String addresses(Object recipients) {
        List addresses = []
        for (recipient in unquoted("${recipients ?: ''}").split('[,;]')) {
            List words = recipient.replaceAll('[<>]', ' $0 ').trim().split('\\s+') as List
            for (int i = 0; i < words.size(); i++) {
                String word = words.get(i)
                boolean isBracketed = i > 0 && words.get(i - 1) == '<'
                boolean isName = i + 1 < words.size() && words.get(i + 1) == '<' || word.startsWith('=?')
                if (isBracketed || words.size() == 1 || word.contains('@') && !isName) {
                    addresses << word
                }
            }
        }
        return addresses.join(', ')
    }

    /** Return a text without what is in quotes. A last quote that is not closed does not count. */
    @NonCPS
    private static String unquoted(String text) {
        List parts = text.replaceAll(/\\./, '').split('"', -1) as List
        List kept = []
        boolean isQuoted = false
        int seen = 0
        for (part in parts) {
            seen++
            if (!isQuoted || seen == parts.size()) {
                kept << part
            }
            isQuoted = !isQuoted
        }
        return kept.join(' ')
    }

}
