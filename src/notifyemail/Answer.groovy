package notifyemail

import groovy.json.JsonSlurper

/**
 * What a POST came to, in plain values: state, and what to tell the build's author.
 *
 * accepted: the service has it. refused: policy, a mistake or a token's rate, which no other way may circumvent.
 * unavailable: nobody took it, so Jenkins' own mail step may.
 */
final class Answer implements Serializable {

    private static final long serialVersionUID = 1L

    /** What is told instead of "reported" when the service had the report before. */
    static final String REPEATED = 'reported before, so there is no second mail'

    /** Bytes that the service reads; it answers 413 to more. */
    static final int LARGEST_REPORT = 1048576

    final String state
    final String reason
    /** The answer's own members, absolute links included; empty unless accepted. */
    final Map members
    /** The request was sent and no whole answer came: the service may have it. */
    final boolean doubtful
    /** The service had this very report before, and sends nothing again. */
    final boolean repeated

    private Answer(String state, String reason, Map members, boolean doubtful, boolean repeated = false) {
        this.state = state
        this.reason = reason
        this.members = members
        this.doubtful = doubtful
        this.repeated = repeated
    }

    /** The answer to the same request sent again: whoever had the report got it by the first one. */
    @NonCPS
    Answer asFirst() {
        return new Answer(state, reason, members, doubtful, false)
    }

    @NonCPS
    static Answer unavailable(String reason, boolean doubtful = false) {
        return new Answer('unavailable', reason, [:], doubtful)
    }

    /** A plugin's change set, say, may fail in any way. */
    @NonCPS
    static Answer indescribable(Exception e) {
        return unavailable("the build can't be described: ${Texts.reason(e)}")
    }

    @NonCPS
    static Answer tooLarge(int bytes) {
        return new Answer('refused', "the report has ${bytes} bytes, and the service takes ${LARGEST_REPORT} at most: " +
            'hand over less data', [:], false)
    }

    @NonCPS
    static Answer timedOut(String url) {
        return unavailable("no answer from ${url} in time: is the service busy, or a firewall in between?", true)
    }

    @NonCPS
    static Answer cutOff(String url) {
        return unavailable("the connection to ${url} ended before its whole answer was there: did the service restart?", true)
    }

    @NonCPS
    static Answer unreachable(String url) {
        return unavailable("no connection to ${url} in time: is a firewall in between, or the address of another network?")
    }

    @NonCPS
    static Answer refusedConnection(String url) {
        return unavailable("connection refused at ${url}: start it there (notify-email serve), " +
            'or let it listen on an address that this machine reaches')
    }

    @NonCPS
    static Answer unknownHost(String url) {
        return unavailable("unknown host in ${url}: correct NOTIFY_EMAIL_URL")
    }

    /**
     * @param url the service's address, as it was asked
     * @param status HTTP's
     * @param text the body
     */
    @NonCPS
    static Answer of(String url, int status, String text) {
        Map body = parsed(text)
        if ((status == 200 || status == 202) && body.id) {
            return new Answer('accepted', '', accepted(url, body), false, status == 200)
        }
        if (status == 202 || (status == 200 && text.trim().startsWith('{'))) {
            return cutOff(url)
        }
        String told = detail(body)
        switch (status) {
            case 401:
                return unavailable("${url} wants a token (401): `notify-email token new` makes one. A trusted library sends the " +
                    'credential notify-email-token; the steps httpRequest and sh send the one that credentialsId names')
            case 408:
                return unavailable("${url} did not get the whole report in time (408): ${told ?: 'is the network slow?'}")
            case 429:
                // A limit that is answered by as many mails of another kind would be none.
                return body.status == status && told ?
                    new Answer('refused', "${url} takes no more reports from here now (429): ${told}", [:], false)
                    : unavailable("a proxy before ${url} takes no more requests now (429): try later")
            case [502, 504]:
                return unavailable("a proxy before ${url} had no answer from it (${status}): is it running?", true)
            case 500..599:
                return unavailable("${url} can't take it${status == 503 ? ' now' : ''} (${status}): ${told ?: 'see its log'}")
            case [400, 403, 409, 413, 415, 421, 422]:
                if (body.status == status && told) {
                    return new Answer('refused', "${url} refused the report (${status}): ${told}", [:], false)
                }
                // Else it is somebody else's page, a proxy's or Jenkins' own, and no decision about this report.
            default:
                return unavailable("${url} answered ${status} and no report: is NOTIFY_EMAIL_URL the address of " +
                    'notify-email itself, without a redirect?')
        }
    }

    @NonCPS
    private static Map accepted(String url, Map body) {
        Object recipients = body.recipients
        Map members = [id: Texts.clean(body.id, Texts.NAME), recipients: recipients instanceof List ? recipients.size() : 0]
        Map others = [state: body.state, messageId: body.message_id, statusUrl: absolute(url, body.status_url),
                      previewUrl: absolute(url, body.preview_url)]
        for (entry in others.entrySet()) {
            members.put(entry.key, entry.value == null ? null : Texts.clean(entry.value, Texts.LONGEST))
        }
        return members
    }

    /** The service answers with a path unless it has a PUBLIC_URL. */
    @NonCPS
    private static String absolute(String url, Object link) {
        String text = link == null ? null : link.toString()
        return text != null && text.startsWith('/') ? url + text : text
    }

    @NonCPS
    private static Map parsed(String text) {
        try {
            Object value = new JsonSlurper().parseText(text)
            return value instanceof Map ? value : [:]
        } catch (Exception ignored) {
            return [:] // a proxy's page, say: the status tells enough
        }
    }

    @NonCPS
    private static String detail(Map problem) {
        List parts = problem.detail ? [Texts.clean(problem.detail, Texts.LONG)] : []
        // Read once, and looked at: a caller's own map may give any object, and each time another.
        Object errors = problem.errors
        if (errors instanceof List) {
            for (error in errors) {
                if (error instanceof Map) {
                    parts << "${error.pointer}: ${error.detail}"
                }
            }
        }
        return Texts.oneLine(parts.join(' '), 1000)
    }

}
