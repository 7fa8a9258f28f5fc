package notifyemail

/**
 * The command that POSTs a report from an agent, and what its output means: pure functions.
 *
 * The report is somebody's text. It stands in a here-document that nothing is expanded in, and it is
 * one line of ASCII, so that no part of it can end the document. The token is never an argument of
 * a process, which others on the machine could read.
 */
final class ShellPost implements Serializable {

    private static final long serialVersionUID = 1L

    private static final String MARK = 'NOTIFY_EMAIL_REPORT'
    private static final int CURL_NO_HOST = 6
    private static final int CURL_REFUSED = 7
    private static final int CURL_TIMED_OUT = 28
    /** A part of the answer; no answer; a reset connection. */
    private static final List<Integer> CURL_CUT_OFF = [18, 52, 56]
    private static final int NO_CURL = 127
    /** Jenkins' PowerShell wrapper breaks longer lines, at 192. */
    private static final int PIECE = 150

    private final String url
    private final int timeout
    private final boolean hasToken

    /**
     * @param url the service's address, in which a shell sees nothing but text
     * @param timeout seconds
     * @param hasToken whether NOTIFY_EMAIL_TOKEN will be in the environment
     */
    ShellPost(String url, int timeout, boolean hasToken) {
        this.url = url
        this.timeout = timeout
        this.hasToken = hasToken
    }

    /** Told by the workspace's path, since isUnix() would be one more step. */
    @NonCPS
    static boolean isUnix(String workspace) {
        return workspace.startsWith('/')
    }

    /**
     * Its output is for `answer`. When the report was taken it also tells that in the build's log.
     *
     * @param fresh what to tell of a new report
     * @param known what to tell of one that the service had before
     */
    @NonCPS
    String command(String json, String fresh, String known, boolean unix) {
        return unix ? curl(json, fresh, known) : powershell(json, fresh, known)
    }

    /** @param output the body, then a line with HTTP's status and curl's exit code */
    @NonCPS
    Answer answer(String output) {
        String text = output.trim()
        int last = text.lastIndexOf('\n')
        String codes = text.substring(last + 1).trim()
        // PowerShell's comes in pieces. Within JSON a line break means nothing, and in a sentence a space.
        String body = last < 0 ? '' : text.substring(0, last).replaceAll('\r?\n', '')
        if (!(codes ==~ /\d{3} \d{1,3}/)) {
            return Answer.unavailable("${url}: the shell answered ${text ? Texts.oneLine(text, 200) : 'nothing'}")
        }
        int failed = codes.substring(4).toInteger()
        switch (failed) {
            case 0:
                return Answer.of(url, codes.substring(0, 3).toInteger(), body)
            case CURL_NO_HOST:
                return Answer.unknownHost(url)
            case CURL_REFUSED:
                return Answer.refusedConnection(url)
            case CURL_TIMED_OUT:
                return Answer.timedOut(url)
            case CURL_CUT_OFF:
                return Answer.cutOff(url)
            case NO_CURL:
                return Answer.unavailable('there is no curl: install it there, or the HTTP Request plugin in Jenkins')
            default:
                return Answer.unavailable("${url} can't be reached: ${body ? Texts.oneLine(body) : "curl's exit code ${failed}"}")
        }
    }

    /** The token goes by curl's configuration, since before 7.55 it took no header from its standard input. */
    @NonCPS
    private String curl(String json, String fresh, String known) {
        String token = hasToken ? "printf 'header = \"Authorization: Bearer %s\"\\n' \"\$NOTIFY_EMAIL_TOKEN\" | " : ''
        String config = hasToken ? '--config - ' : ''
        return """set +x
code=0
answer=\$(${token}curl --disable ${config}--silent --noproxy '*' --max-time ${timeout} \\
  --header 'Content-Type: application/json' --header 'Expect:' --data-binary @/dev/fd/3 \\
  --write-out '\\n%{http_code}' '${url}/v1/reports' 3<<'${MARK}'
${json}
${MARK}
) || code=\$?
printf '%s %s' "\$answer" "\$code"
case "\$answer" in
  *'"status_url":"'*202) done='${fresh}' ;;
  *'"status_url":"'*200) done='${known}' ;;
  *) exit 0 ;;
esac
link=\${answer#*'"status_url":"'}
link=\${link%%'"'*}
case "\$link" in /*) link='${url}'\$link ;; esac
echo "notifyEmail: \$done: \$link" >&2
"""
    }

    /** What a script writes into its pipeline is captured; what it says to the host goes to the log. */
    @NonCPS
    private String powershell(String json, String fresh, String known) {
        String header = hasToken ? "\$headers['Authorization'] = 'Bearer ' + \$env:NOTIFY_EMAIL_TOKEN" : ''
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
    -ContentType 'application/json' -Body \$body -TimeoutSec ${timeout} -MaximumRedirection 0
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
      NameResolutionFailure = ${CURL_NO_HOST}; ConnectFailure = ${CURL_REFUSED}; Timeout = ${CURL_TIMED_OUT}
      ReceiveFailure = 56; ConnectionClosed = 56; KeepAliveFailure = 56; PipelineFailure = 56
    }[[string]\$_.Exception.Status]
    \$codes = "000 \$(if (\$code) { \$code } else { 1 })"
  }
}
for (\$at = 0; \$at -lt \$content.Length; \$at += ${PIECE}) {
  \$content.Substring(\$at, [Math]::Min(${PIECE}, \$content.Length - \$at))
}
\$codes
if (\$codes -in '202 0', '200 0' -and \$content -match '"status_url":"([^"]+)"') {
  \$done = if (\$codes -eq '202 0') { '${fresh}' } else { '${known}' }
  Write-Host "notifyEmail: \${done}: \$(if (\$Matches[1][0] -eq '/') { '${url}' })\$(\$Matches[1])"
}
"""
    }

}
