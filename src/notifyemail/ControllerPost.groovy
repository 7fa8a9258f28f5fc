package notifyemail

import com.cloudbees.plugins.credentials.CredentialsProvider
import com.cloudbees.plugins.credentials.common.PasswordCredentials
import com.cloudbees.plugins.credentials.common.StandardCredentials
import hudson.security.ACL
import hudson.slaves.EnvironmentVariablesNodeProperty
import hudson.util.Secret
import jenkins.model.Jenkins

/**
 * POSTs from the controller itself: no Pipeline step, no plugin, 3 ms. For trusted libraries only.
 *
 * Any Jenkinsfile may call what a trusted library has, private methods included. So the one method that
 * uses the controller's token takes from its caller what the author asks for and nothing else: which
 * build it reports, where that goes and the token are read within it, and none of them leaves it but in
 * the request. A caller gets the parsed answer.
 */
final class ControllerPost implements Serializable {

    private static final long serialVersionUID = 1L

    // An abort can't interrupt it, and other branches of the build wait: three seconds a request.
    private static final int CONNECT_MILLIS = 1000
    private static final int READ_MILLIS = 2000
    private static final int LONGEST_ANSWER = 65536

    /**
     * Reports the running build. The answer says everything, failures included.
     *
     * @param mail the contract's `mail` member
     * @param error what ended the build; null: currentBuild has the result
     */
    @NonCPS
    static Answer send(Map mail, BuildError error) {
        Object described = described(mail, error)
        if (described instanceof Answer) {
            return described
        }
        String json = described
        String base = null
        URLConnection connection = null
        boolean sent = false
        try {
            for (property in Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty)) {
                base = property.envVars.get('NOTIFY_EMAIL_URL') ?: base
            }
            base = Options.address(base)
            String wrong = Options.wrongAddress(base)
            if (wrong) {
                return Answer.unavailable(wrong)
            }
            // The bridge's address must not go to a proxy, and a redirect would make a GET of it.
            connection = new URL(base + '/v1/reports').openConnection(Proxy.NO_PROXY)
            connection.instanceFollowRedirects = false
            connection.connectTimeout = CONNECT_MILLIS
            connection.readTimeout = READ_MILLIS
            connection.doOutput = true
            connection.setRequestProperty('Content-Type', 'application/json')
            List stored = CredentialsProvider.lookupCredentialsInItemGroup(
                StandardCredentials, Jenkins.get(), ACL.SYSTEM2, [])
            // In loops: a Jenkinsfile may make an object of a closure's class, too, and call it with any other object.
            StandardCredentials credential = null
            for (candidate in stored) {
                if (candidate.id == 'notify-email-token') {
                    credential = candidate
                    break
                }
            }
            if (credential) {
                // Of the kind "Username with password", or else "Secret text", whose plugin may be missing.
                Secret token = credential instanceof PasswordCredentials ? credential.password : credential.secret
                // Trimmed: secrets read from files end in a line break, which no header may hold.
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
            return Answer.of(base, status, body == null ? '' : text(body))
        } catch (SocketTimeoutException e) {
            boolean connecting = "${e.message}".toLowerCase(Locale.ENGLISH).contains('connect')
            return connecting ? Answer.unreachable(base) : Answer.timedOut(base)
        } catch (ConnectException ignored) {
            return Answer.refusedConnection(base)
        } catch (UnknownHostException ignored) {
            return Answer.unknownHost(base)
        } catch (NoRouteToHostException ignored) {
            return Answer.unreachable(base)
        } catch (IOException e) {
            String told = Texts.oneLine(Texts.message(e))
            return sent ? Answer.cutOff(base) : Answer.unavailable("${base} can't be used: ${told}")
        } catch (Exception e) {
            // Its kind only: Java quotes a header that it doesn't like in the message, and that is the token.
            return Answer.unavailable("${base} can't be used (${Texts.typeOf(e)}): is that an http or https " +
                'address, and the credential notify-email-token a plain token?')
        } finally {
            if (connection instanceof HttpURLConnection) {
                connection.disconnect()
            }
        }
    }

    /** The report as JSON, or an Answer that says why there is none. */
    @NonCPS
    private static Object described(Map mail, BuildError error) {
        try {
            String json = BuildReport.json(null, mail, error)
            // No timeout ends a write, so nothing is begun that the service would not read to its end.
            return json.length() > Answer.LARGEST_REPORT ? Answer.tooLarge(json.length()) : json
        } catch (Exception e) {
            return Answer.indescribable(e)
        }
    }

    @NonCPS
    private static String text(InputStream body) {
        long ends = System.currentTimeMillis() + READ_MILLIS
        ByteArrayOutputStream read = new ByteArrayOutputStream()
        byte[] chunk = new byte[4096]
        int length = body.read(chunk)
        while (length >= 0 && read.size() < LONGEST_ANSWER && System.currentTimeMillis() < ends) {
            read.write(chunk, 0, length)
            length = body.read(chunk)
        }
        return read.toString('UTF-8')
    }

}
