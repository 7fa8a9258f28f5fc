package notifyemail.transport

import com.cloudbees.plugins.credentials.CredentialsProvider
import com.cloudbees.plugins.credentials.common.PasswordCredentials
import com.cloudbees.plugins.credentials.common.StandardCredentials
import hudson.security.ACL
import hudson.slaves.EnvironmentVariablesNodeProperty
import hudson.util.Secret
import jenkins.model.Jenkins
import notifyemail.BuildError
import notifyemail.BuildReport
import notifyemail.JsonValues
import notifyemail.Options
import notifyemail.ServiceAnswer
import notifyemail.inside.CallKey
import notifyemail.inside.InsideReport
import notifyemail.inside.OwnBuild

/**
 * Sends a report from the controller itself, without a Pipeline step or a plugin. For trusted libraries only.
 *
 * A Jenkinsfile may call everything in a trusted library, private methods included. So `send`, which alone
 * uses the controller's token, takes only what an author may choose. It describes the running build itself, lets
 * inside.InsideReport add what the sandbox hides, and reads the address and the token itself. They leave it in the
 * request only; the caller gets an answer.
 */
final class ControllerTransport implements Serializable {

    private static final long serialVersionUID = 1L

    // An abort can't interrupt the request, and the build's other branches wait: at most three seconds.
    private static final int CONNECT_MILLIS = 1000
    private static final int READ_MILLIS = 2000
    /** Bytes that are read of an answer. It may name each recipient of a large report. */
    private static final int MAX_ANSWER = 1048576

    /**
     * Report the running build. Every failure becomes an answer.
     *
     * @param mail the contract's `mail` member
     * @param error what ended the build; null: currentBuild has the result
     */
    @NonCPS
    static ServiceAnswer send(Map mail, BuildError error) {
        if (!OwnBuild.REPORTS_LEFT.tryAcquire()) {
            return ServiceAnswer.refused("this build has sent ${OwnBuild.MAX_REPORTS} reports, and may send no more")
        }
        String json
        String key
        int size
        try {
            // Before REPORTING is set: the author's values are read here, and afterwards nothing of the Jenkinsfile is called.
            Map report = BuildReport.describe(null, mail, error)
            try {
                OwnBuild.REPORTING.set(true)
                key = new CallKey(report, error).text()
                InsideReport inside = new InsideReport(report, error)
                json = inside.json()
                size = json.length()
                json = inside.withAttachments(json)
            } finally {
                OwnBuild.REPORTING.remove()
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            return ServiceAnswer.unreadableBuild(e)
        }
        // No timeout ends a write, so a report that the service would not read to its end is not sent at all.
        if (size > ServiceAnswer.MAX_REPORT) {
            return ServiceAnswer.tooLarge(size)
        }
        String url = null
        URLConnection connection = null
        boolean sent = false
        try {
            for (property in Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty)) {
                url = property.envVars.get('NOTIFY_EMAIL_URL') ?: url
            }
            url = Options.trimAddress(url)
            String mistake = Options.addressMistake(url)
            if (mistake) {
                return ServiceAnswer.unavailable(mistake)
            }
            // The bridge's address must not go to a proxy, and a redirect would turn the POST into a GET.
            connection = new URL(url + '/v1/reports').openConnection(Proxy.NO_PROXY)
            connection.instanceFollowRedirects = false
            connection.connectTimeout = CONNECT_MILLIS
            connection.readTimeout = READ_MILLIS
            connection.doOutput = true
            connection.setRequestProperty('Content-Type', 'application/json')
            connection.setRequestProperty('Idempotency-Key', key)
            List stored = CredentialsProvider.lookupCredentialsInItemGroup(
                StandardCredentials, Jenkins.get(), ACL.SYSTEM2, [])
            // A loop, not find(): a Jenkinsfile could make an object of the closure's class and call it with any object.
            StandardCredentials credential = null
            for (candidate in stored) {
                if (candidate.id == 'notify-email-token') {
                    credential = candidate
                    break
                }
            }
            if (credential) {
                // "Username with password", or else "Secret text", whose plugin may be missing.
                Secret token = credential instanceof PasswordCredentials ? credential.password : credential.secret
                // A secret that was read from a file ends in a line break, which no header may hold.
                connection.setRequestProperty('Authorization', "Bearer ${token.plainText.trim()}")
            }
            OutputStream out = connection.outputStream
            try {
                out.write(json.getBytes('UTF-8'))
            } finally {
                out.close()
            }
            sent = true
            int status = connection.responseCode
            InputStream body = status < 400 ? connection.inputStream : connection.errorStream
            return ServiceAnswer.parse(url, status, body == null ? '' : text(body))
        } catch (IOException e) {
            return failure(url, sent, e)
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            // The class only: Java's message quotes a header that it rejects, and that is the token.
            return ServiceAnswer.unavailable("${url} can't be used (${JsonValues.className(e)}): is that an http or https " +
                'address, and the credential notify-email-token a plain token?')
        } finally {
            if (connection instanceof HttpURLConnection) {
                connection.disconnect()
            }
        }
    }

    /** Return what a failed request means; `sent` says whether the whole report was written before. */
    @NonCPS
    private static ServiceAnswer failure(String url, boolean sent, IOException e) {
        String message = BuildError.reason(e)
        if (e instanceof SocketTimeoutException) {
            return message.toLowerCase(Locale.ENGLISH).contains('connect') ? ServiceAnswer.unreachable(url) : ServiceAnswer.timedOut(url)
        }
        if (e instanceof ConnectException) {
            return ServiceAnswer.refusedConnection(url)
        }
        if (e instanceof NoRouteToHostException) {
            return ServiceAnswer.unreachable(url)
        }
        if (e instanceof UnknownHostException) {
            return ServiceAnswer.unknownHost(url)
        }
        return sent ? ServiceAnswer.cutOff(url) : ServiceAnswer.unavailable("${url} can't be used: ${message}")
    }

    @NonCPS
    private static String text(InputStream body) {
        long end = System.currentTimeMillis() + READ_MILLIS
        ByteArrayOutputStream text = new ByteArrayOutputStream()
        byte[] chunk = new byte[4096]
        int length = body.read(chunk)
        while (length >= 0 && text.size() < MAX_ANSWER && System.currentTimeMillis() < end) {
            text.write(chunk, 0, length)
            length = body.read(chunk)
        }
        return text.toString('UTF-8')
    }

}
