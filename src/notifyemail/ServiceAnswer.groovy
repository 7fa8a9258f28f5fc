package notifyemail

import groovy.json.JsonSlurper

/**
 * The service's answer to a report, or the reason why there is none. Plain values only.
 *
 * The state is one of three. `accepted`: the service has the report. `refused`: policy, a mistake or a token's
 * rate forbids it, so it must not be mailed in another way. `unavailable`: nobody accepted it, so Jenkins' own
 * mail step may send a mail.
 */
final class ServiceAnswer implements Serializable {

    private static final long serialVersionUID = 1L

    /** What the log says of a report that the service already had. */
    static final String REPEATED = 'reported before, so there is no second mail'

    /** Bytes of the largest report that the service reads, without attachments; it answers a larger one with 413. */
    static final int MAX_REPORT = 1048576
    private static final int MAX_DETAIL = 1000
    /** Members of a report that the log names. */
    private static final int MAX_MEMBERS = 20

    final String state
    /** Why the report was not accepted, and what to do; empty if it was. */
    final String reason
    /**
     * The result's id, messageId, statusUrl, previewUrl and state, the number of recipients, and in one text what the
     * mail goes without, such as a recipient that is no mail address; empty unless accepted.
     */
    final Map members
    /** The request was sent and no whole answer arrived: the service may have the report. */
    final boolean doubtful
    /** The service already had this report, and sends no second mail. */
    final boolean repeated
    /** The build log has the answer already. */
    final boolean logged

    private ServiceAnswer(String state, String reason, Map members, boolean doubtful, boolean repeated, boolean logged) {
        this.state = state
        this.reason = reason
        this.members = members
        this.doubtful = doubtful
        this.repeated = repeated
        this.logged = logged
    }

    /** Return this answer without `repeated`: the service had the report from this call's first request. */
    @NonCPS
    ServiceAnswer asNew() {
        return new ServiceAnswer(state, reason, members, doubtful, false, logged)
    }

    @NonCPS
    ServiceAnswer asLogged() {
        return new ServiceAnswer(state, reason, members, doubtful, repeated, true)
    }

    @NonCPS
    static ServiceAnswer unavailable(String reason, boolean doubtful = false) {
        return new ServiceAnswer('unavailable', reason, [:], doubtful, false, false)
    }

    @NonCPS
    static ServiceAnswer refused(String reason) {
        return new ServiceAnswer('refused', reason, [:], false, false, false)
    }

    /** Return the answer for a build without a name, number, result or start. */
    @NonCPS
    static ServiceAnswer unreadableBuild(Throwable e) {
        return unavailable("the build can't be described: ${BuildError.reason(e)}")
    }

    @NonCPS
    static ServiceAnswer tooLarge(int bytes) {
        return refused("the report has ${bytes} bytes, and the service accepts at most ${MAX_REPORT}: pass less data")
    }

    @NonCPS
    static ServiceAnswer timedOut(String url) {
        return unavailable("no answer from ${url} in time: is the service busy, or a firewall in between?", true)
    }

    @NonCPS
    static ServiceAnswer cutOff(String url) {
        return unavailable("the connection to ${url} ended before the whole answer arrived: did the service restart?", true)
    }

    @NonCPS
    static ServiceAnswer unreachable(String url) {
        return unavailable("no connection to ${url} in time: is a firewall in between, or does the address belong to another network?")
    }

    @NonCPS
    static ServiceAnswer refusedConnection(String url) {
        return unavailable("connection refused at ${url}: start the service there (notify-email serve), " +
            'or let it listen on an address that this machine reaches')
    }

    @NonCPS
    static ServiceAnswer unknownHost(String url) {
        return unavailable("unknown host in ${url}: correct NOTIFY_EMAIL_URL")
    }

    /** Return the answer for a step that threw. Some exceptions, such as a lost agent's, may come after the report was sent. */
    @NonCPS
    static ServiceAnswer failedStep(String url, String transport, Throwable e) {
        String text = "${JsonValues.className(e)} ${BuildError.message(e)}"
        for (sign in ['NoHttpResponse', 'ConnectionClosed', 'reset', 'Premature', 'Truncated', 'ChannelClosed', 'RequestAborted',
                      'termination of the channel']) {
            if (text.contains(sign)) {
                return cutOff(url)
            }
        }
        return unavailable("${transport} failed: ${BuildError.reason(e)}")
    }

    /**
     * Return what an HTTP response means.
     *
     * @param url the service's address
     * @param body the response's, of the service or of anything else that answers at this address
     */
    @NonCPS
    static ServiceAnswer parse(String url, int status, String body) {
        Map answer = parseObject(body)
        if ((status == 200 || status == 202) && answer.id) {
            return new ServiceAnswer('accepted', '', accepted(url, answer), false, status == 200, false)
        }
        if (status == 202 || (status == 200 && body.trim().startsWith('{'))) {
            return cutOff(url)
        }
        String detail = problemDetail(answer)
        boolean isOurs = answer.status == status && detail
        switch (status) {
            case 401:
                return unavailable("${url} wants a token (401): `notify-email token new` makes one. A trusted library sends the " +
                    'credential notify-email-token; the steps httpRequest and sh send the one that credentialsId names')
            case 408:
                return unavailable("${url} did not get the whole report in time (408): ${detail ?: 'is the network slow?'}")
            case 429:
                // A rate limit must not make Jenkins send as many mails in another way.
                return isOurs ? refused("${url} takes no more reports from here now (429): ${detail}")
                    : unavailable("a proxy before ${url} takes no more requests now (429): try later")
            case [502, 504]:
                return unavailable("a proxy before ${url} had no answer from it (${status}): is it running?", true)
            case 500..599:
                return unavailable("${url} can't take it${status == 503 ? ' now' : ''} (${status}): ${detail ?: 'see its log'}")
            case [400, 403, 409, 413, 415, 421, 422]:
                if (isOurs) {
                    return refused("${url} refused the report (${status}): ${JsonValues.sentence(detail)}${cure(status)}")
                }
                // Otherwise a proxy or Jenkins itself wrote this page, and nobody has decided about the report.
            default:
                return unavailable("${url} answered ${status} and no report: is NOTIFY_EMAIL_URL the address of " +
                    'notify-email itself, without a redirect?')
        }
    }

    /** Return what to do about a mistake in a report; empty: the service's own words say it. */
    @NonCPS
    private static String cure(int status) {
        return status in [400, 422] ? ' Correct the arguments of notifyEmail, or NOTIFY_EMAIL_TO. If the mistake is in ' +
            'neither, ask the administrator of the service.' : ''
    }

    @NonCPS
    private static Map accepted(String url, Map answer) {
        Object recipients = answer.recipients
        Map members = [id: JsonValues.text(answer.id, JsonValues.MAX_NAME), recipients: recipients instanceof List ? recipients.size() : 0,
                       missing: JsonValues.oneLine(sentences(answer.missing).join('; '), MAX_DETAIL)]
        Map others = [state: answer.state, messageId: answer.message_id, statusUrl: absolute(url, answer.status_url),
                      previewUrl: absolute(url, answer.preview_url)]
        for (entry in others.entrySet()) {
            members.put(entry.key, entry.value == null ? null : JsonValues.text(entry.value, JsonValues.MAX_TEXT))
        }
        return members
    }

    /** Return a link with the service's address: without PUBLIC_URL the service's links are paths. */
    @NonCPS
    private static String absolute(String url, Object link) {
        String text = link == null ? null : link.toString()
        return text != null && text.startsWith('/') ? url + text : text
    }

    /** Return a JSON object's members; none if the text is anything else, such as a proxy's page. */
    @NonCPS
    private static Map parseObject(String text) {
        try {
            Object value = new JsonSlurper().parseText(text)
            return value instanceof Map ? value : [:]
        } catch (Exception ignored) {
            return [:] // the status is enough
        }
    }

    /** Return what an answer of the kind application/problem+json says, with its errors, on one line. */
    @NonCPS
    private static String problemDetail(Map problem) {
        String detail = problem.detail ? JsonValues.oneLine(problem.detail, JsonValues.MAX_MESSAGE) : ''
        List parts = [detail] + sentences(problem.errors, detail)
        return JsonValues.oneLine(parts.join(' '), MAX_DETAIL)
    }

    /** Return what an answer says of members of the report, each in a text, without what it said before. */
    @NonCPS
    private static List sentences(Object members, String before = '') {
        List sentences = []
        if (members instanceof List) {
            for (member in members) {
                if (sentences.size() >= MAX_MEMBERS) {
                    sentences << 'and more'
                    break
                }
                String detail = member instanceof Map ? JsonValues.oneLine(member.detail) : ''
                if (detail && !before.toLowerCase().contains(detail.toLowerCase())) {
                    sentences << "${JsonValues.oneLine(member.pointer)}: ${detail}"
                }
            }
        }
        return sentences
    }

}
