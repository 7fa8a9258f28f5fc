package notifyemail.transport

import notifyemail.JsonValues
import notifyemail.Options
import notifyemail.RunningBuild
import notifyemail.ServiceAnswer

/**
 * Sends a report with curl or PowerShell on an agent, inside a node.
 *
 * The report is somebody's text. It stands in a here-document in which nothing is expanded, as one line of
 * ASCII, so that no part of it can end the document. The token is never an argument of a process, which other
 * users of the machine could read.
 */
final class ShellTransport implements Serializable {

    private static final long serialVersionUID = 1L

    private static final String MARK = 'NOTIFY_EMAIL_REPORT'
    private static final int CURL_UNKNOWN_HOST = 6
    private static final int CURL_REFUSED = 7
    private static final int CURL_TIMED_OUT = 28
    private static final int NO_CURL = 127
    /** Characters of a line of PowerShell's output: Jenkins' wrapper breaks lines at 192. */
    private static final int LINE_LENGTH = 150

    /**
     * Send the report, and write a line in the build log if the service accepted it: an echo would be one more step.
     * What a step throws passes through; a step that is not installed is a NoSuchMethodError.
     *
     * @param newText what the log says of a new report
     * @param repeatedText what the log says of a report that the service already had
     */
    static ServiceAnswer send(Script script, Options options, String json, String newText, String repeatedText) {
        if (!RunningBuild.isInsideNode(script)) {
            return ServiceAnswer.unavailable(options.transport == 'shell' ? 'transport shell works only inside a node'
                : "the report can't be sent from outside a node: install the HTTP Request plugin, or make this library a trusted one")
        }
        // The workspace's path tells the system: isUnix() would be one more step.
        boolean isUnix = RunningBuild.env(script).WORKSPACE.startsWith('/')
        String command = isUnix ? curl(options, json, newText, repeatedText) : powershell(options, json, newText, repeatedText)
        Map arguments = [script: command, returnStdout: true, label: 'notifyEmail']
        String output
        if (options.credentialsId) {
            Map binding = [$class: 'UsernamePasswordMultiBinding', credentialsId: options.credentialsId,
                           usernameVariable: 'NOTIFY_EMAIL_USER', passwordVariable: 'NOTIFY_EMAIL_TOKEN']
            // With its class: a caller's own step of that name could give the closure another object to call it on.
            output = script.withCredentials([binding]) { ShellTransport.runCommand(script, arguments, isUnix) }
        } else {
            output = runCommand(script, arguments, isUnix)
        }
        ServiceAnswer answer = parseOutput(options.url, output)
        return answer.state == 'accepted' ? answer.asLogged() : answer
    }

    private static String runCommand(Script script, Map arguments, boolean isUnix) {
        return isUnix ? script.sh(arguments) : script.powershell(arguments)
    }

    /** Return what the command's output means: the body, then a line with HTTP's status and curl's exit code. */
    @NonCPS
    private static ServiceAnswer parseOutput(String url, String output) {
        String text = output.trim()
        int last = text.lastIndexOf('\n')
        String codes = text.substring(last + 1).trim()
        // PowerShell's body comes in several lines. JSON does not need the line breaks, and in a sentence they are spaces.
        String body = last < 0 ? '' : text.substring(0, last).replaceAll('\r?\n', '')
        if (!(codes ==~ /\d{3} \d{1,3}/)) {
            return ServiceAnswer.unavailable("${url}: the shell answered ${text ? JsonValues.oneLine(text, 200) : 'nothing'}")
        }
        int exitCode = codes.substring(4).toInteger()
        switch (exitCode) {
            case 0:
                return ServiceAnswer.parse(url, codes.substring(0, 3).toInteger(), body)
            case CURL_UNKNOWN_HOST:
                return ServiceAnswer.unknownHost(url)
            case CURL_REFUSED:
                return ServiceAnswer.refusedConnection(url)
            case CURL_TIMED_OUT:
                return ServiceAnswer.timedOut(url)
            case [18, 52, 56]: // a part of the answer, no answer, a reset connection
                return ServiceAnswer.cutOff(url)
            case NO_CURL:
                return ServiceAnswer.unavailable('curl is missing: install it on this machine, or the HTTP Request plugin in Jenkins')
            default:
                String cause = body ? JsonValues.oneLine(body) : "curl's exit code ${exitCode}"
                return ServiceAnswer.unavailable("${url} can't be reached: ${cause}")
        }
    }

    /** Return the member of the answer that has the link for the build log. */
    @NonCPS
    private static String shownLink(Options options) {
        return options.dryRun ? 'preview_url' : 'status_url'
    }

    /** Return the command for sh. The token is in curl's configuration: before 7.55 curl read no header from its standard input. */
    @NonCPS
    private static String curl(Options options, String json, String newText, String repeatedText) {
        String url = options.url
        String link = shownLink(options)
        String token = options.credentialsId ? "printf 'header = \"Authorization: Bearer %s\"\\n' \"\$NOTIFY_EMAIL_TOKEN\" | " : ''
        String config = token ? '--config - ' : ''
        return """set +x
code=0
answer=\$(${token}curl --disable ${config}--silent --noproxy '*' --max-time ${options.timeout} \\
  --header 'Content-Type: application/json' --header 'Expect:' --data-binary @/dev/fd/3 \\
  --write-out '\\n%{http_code}' '${url}/v1/reports' 3<<'${MARK}'
${json}
${MARK}
) || code=\$?
printf '%s %s' "\$answer" "\$code"
case "\$answer" in
  *'"${link}":"'*202) done='${newText}' ;;
  *'"${link}":"'*200) done='${repeatedText}' ;;
  *) exit 0 ;;
esac
link=\${answer#*'"${link}":"'}
link=\${link%%'"'*}
case "\$link" in /*) link='${url}'\$link ;; esac
echo "notifyEmail: \$done: \$link" >&2
"""
    }

    /** Return the script for PowerShell. Jenkins captures its output; Write-Host writes to the build log. */
    @NonCPS
    private static String powershell(Options options, String json, String newText, String repeatedText) {
        String url = options.url
        String link = shownLink(options)
        String header = options.credentialsId ? "\$headers['Authorization'] = 'Bearer ' + \$env:NOTIFY_EMAIL_TOKEN" : ''
        return """\$ProgressPreference = 'SilentlyContinue'
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072
[Net.WebRequest]::DefaultWebProxy = New-Object Net.WebProxy
\$headers = @{}
${header}
\$body = @'
${json}
'@
try {
  \$response = Invoke-WebRequest -UseBasicParsing -Method Post -Uri '${url}/v1/reports' -Headers \$headers `
    -ContentType 'application/json' -Body \$body -TimeoutSec ${options.timeout} -MaximumRedirection 0
  \$content = [string]\$response.Content
  \$codes = "\$([int]\$response.StatusCode) 0"
} catch {
  \$response = \$_.Exception.Response
  if (\$response) {
    \$content = [string]\$_.ErrorDetails.Message
    \$codes = "\$([int]\$response.StatusCode) 0"
  } else {
    \$content = \$_.Exception.Message
    \$code = @{
      NameResolutionFailure = ${CURL_UNKNOWN_HOST}; ConnectFailure = ${CURL_REFUSED}; Timeout = ${CURL_TIMED_OUT}
      ReceiveFailure = 56; ConnectionClosed = 56; KeepAliveFailure = 56; PipelineFailure = 56
    }[[string]\$_.Exception.Status]
    \$codes = "000 \$(if (\$code) { \$code } else { 1 })"
  }
}
for (\$at = 0; \$at -lt \$content.Length; \$at += ${LINE_LENGTH}) {
  \$content.Substring(\$at, [Math]::Min(${LINE_LENGTH}, \$content.Length - \$at))
}
\$codes
if (\$codes -in '202 0', '200 0' -and \$content -match '"${link}":"([^"]+)"') {
  \$done = if (\$codes -eq '202 0') { '${newText}' } else { '${repeatedText}' }
  Write-Host "notifyEmail: \${done}: \$(if (\$Matches[1][0] -eq '/') { '${url}' })\$(\$Matches[1])"
}
"""
    }

}
