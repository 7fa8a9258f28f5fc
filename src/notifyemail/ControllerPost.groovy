package notifyemail

import com.cloudbees.plugins.credentials.CredentialsProvider
import com.cloudbees.plugins.credentials.common.StandardCredentials
import hudson.security.ACL
import hudson.slaves.EnvironmentVariablesNodeProperty
import jenkins.model.Jenkins

/**
 * POSTs from the controller itself: no Pipeline step, no plugin, 3 ms. For trusted libraries only.
 *
 * Any Jenkinsfile may call what a trusted library has, private methods included. So the destination
 * and the token are read from the global configuration in here, are not taken from a caller, and
 * never leave: a caller gets the parsed answer, no more.
 */
class ControllerPost implements Serializable {

    private static final long serialVersionUID = 1L

    // An abort can't interrupt it, and other branches of the build wait: three seconds in all.
    private static final int CONNECT_MILLIS = 1000
    private static final int READ_MILLIS = 2000
    private static final int LONGEST_ANSWER = 65536

    @NonCPS
    static Answer send(String json) {
        String base = null
        for (property in Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty)) {
            base = property.envVars.get('NOTIFY_EMAIL_URL') ?: base
        }
        if (!base) {
            return Answer.unavailable('no service address: set the global variable NOTIFY_EMAIL_URL ' +
                '(Manage Jenkins, System, Environment variables)')
        }
        if (!(base ==~ /https?:\/\/[^\s\/].*/)) {
            return Answer.unavailable("NOTIFY_EMAIL_URL, '${base}', is not an http or https address")
        }
        base = base.replaceAll('/+$', '')
        URLConnection connection = null
        try {
            // The bridge's address must not go to a proxy, and a redirect would make a GET of it.
            connection = new URL(base + '/v1/reports').openConnection(Proxy.NO_PROXY)
            connection.instanceFollowRedirects = false
            connection.connectTimeout = CONNECT_MILLIS
            connection.readTimeout = READ_MILLIS
            connection.doOutput = true
            connection.setRequestProperty('Content-Type', 'application/json')
            List stored = CredentialsProvider.lookupCredentialsInItemGroup(
                StandardCredentials, Jenkins.get(), ACL.SYSTEM2, [])
            Object credential = stored.find { candidate -> candidate.id == 'notify-email-token' }
            if (credential != null) {
                Object secret = credential.hasProperty('password') ? credential.password : credential.secret
                connection.setRequestProperty('Authorization', 'Bearer ' + secret.plainText)
            }
            connection.outputStream.withStream { out -> out.write(json.getBytes('UTF-8')) }
            int status = connection.responseCode
            InputStream body = status < 400 ? connection.inputStream : connection.errorStream
            return Answer.of(base, status, body == null ? '' : text(body))
        } catch (SocketTimeoutException e) {
            boolean connecting = "${e.message}".toLowerCase(Locale.ENGLISH).contains('connect')
            return connecting ? Answer.unavailable("no connection to ${base} in time: is a firewall in between?")
                : Answer.timedOut(base)
        } catch (ConnectException ignored) {
            return Answer.refusedConnection(base)
        } catch (UnknownHostException ignored) {
            return Answer.unknownHost(base)
        } catch (IOException | ClassCastException | IllegalArgumentException e) {
            return Answer.unavailable("${base} can't be used: ${Texts.oneLine(e.message ?: e.getClass().name)}")
        } finally {
            if (connection instanceof HttpURLConnection) {
                connection.disconnect()
            }
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
