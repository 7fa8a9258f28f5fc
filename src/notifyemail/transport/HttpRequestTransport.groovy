package notifyemail.transport

import notifyemail.JsonValues
import notifyemail.Options
import notifyemail.ServiceAnswer

/** Sends a report with the step httpRequest of the HTTP Request plugin. */
final class HttpRequestTransport implements Serializable {

    private static final long serialVersionUID = 1L

    /** The class of the plugin's response. No other object is read: a caller's script may return any. */
    private static final String RESPONSE = 'jenkins.plugins.http_request.ResponseContentSupplier'

    /** Send the report. What the step throws passes through; a step that is not installed is a NoSuchMethodError. */
    static ServiceAnswer send(Script script, Options options, String json) {
        Map request = [
            url               : options.url + '/v1/reports',
            httpMode          : 'POST',
            contentType       : 'APPLICATION_JSON',
            requestBody       : json,
            timeout           : options.timeout,
            // Otherwise a 4xx would fail the build.
            validResponseCodes: '100:599',
            quiet             : true,
        ]
        if (options.credentialsId) {
            request.authentication = options.credentialsId
        }
        Object response = script.httpRequest(request)
        if (JsonValues.className(response) != RESPONSE) {
            return ServiceAnswer.unavailable('the step httpRequest is not that of the HTTP Request plugin: does the Pipeline ' +
                'define a variable or a method of that name?')
        }
        return parseResponse(options.url, response.status, "${response.content ?: ''}".toString())
    }

    /** Return what a response means. For a failed connection the step makes one, with the Java exception's name in the content. */
    @NonCPS
    private static ServiceAnswer parseResponse(String url, int status, String content) {
        if (status == 408 && content.contains('Exception')) {
            String text = content.toLowerCase()
            if (text.contains('refused')) {
                return ServiceAnswer.refusedConnection(url)
            }
            return text.contains('connect') || text.contains('route') ? ServiceAnswer.unreachable(url) : ServiceAnswer.timedOut(url)
        }
        if (status == 404 && content.contains('UnknownHostException')) {
            return ServiceAnswer.unknownHost(url)
        }
        return ServiceAnswer.parse(url, status, content)
    }

}
