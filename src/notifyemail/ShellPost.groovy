package notifyemail

/**
 * The command that POSTs a report from an agent, and what its output means: pure functions.
 *
 * The report is somebody's text. It stands in a here-document that nothing is expanded in, and it is
 * one line of ASCII, so that no part of it can end the document. The token is never an argument of
 * a process, which others on the machine could read.
 */
class ShellPost implements Serializable {

    private static final long serialVersionUID = 1L

    private static final String MARK = 'NOTIFY_EMAIL_REPORT'
    private static final int CURL_NO_HOST = 6
    private static final int CURL_REFUSED = 7
    private static final int CURL_TIMED_OUT = 28
    /** A part of the answer; no answer; a reset connection. */
    private static final List<Integer> CURL_CUT_OFF = [18, 52, 56]
    private static final int NO_CURL = 127

    /** Told by the workspace's path, since isUnix() would be one more step. */
    @NonCPS
    static boolean isUnix(String workspace) {
        return workspace.startsWith('/')
    }

    @NonCPS
    static String command(String url, String json, int timeout, boolean hasToken, boolean unix) {
        return unix ? curl(url, json, timeout, hasToken) : powershell(url, json, timeout, hasToken)
    }

    /** @param output the body, then a line with HTTP's status and curl's exit code */
    @NonCPS
    static Answer answer(String url, String output) {
        String text = output.trim()
        int last = text.lastIndexOf('\n')
        String codes = text.substring(last + 1).trim()
        if (!(codes ==~ /\d{3} \d{1,3}/)) {
            return Answer.unavailable("${url}: the shell answered ${Texts.oneLine(text, 200)}")
        }
        int failed = codes.substring(4).toInteger()
        switch (failed) {
            case 0:
                return Answer.of(url, codes.substring(0, 3).toInteger(), last < 0 ? '' : text.substring(0, last))
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
                return Answer.unavailable("${url} can't be reached (curl's exit code ${failed})")
        }
    }

    @NonCPS
    private static String curl(String url, String json, int timeout, boolean hasToken) {
        String token = hasToken ? "printf 'Authorization: Bearer %s\\n' \"\$NOTIFY_EMAIL_TOKEN\" | " : ''
        String header = hasToken ? '--header @- ' : ''
        return """set +x
command -v curl >/dev/null || { echo 'notifyEmail: no curl here' >&2; printf '\\n000 ${NO_CURL}'; exit 0; }
code=0
${token}curl --disable --silent --show-error --noproxy '*' --max-time ${timeout} \\
  --header 'Content-Type: application/json' --header 'Expect:' ${header}--data-binary @/dev/fd/3 \\
  --write-out '\\n%{http_code}' '${url}/v1/reports' 3<<'${MARK}' || code=\$?
${json}
${MARK}
printf ' %s' "\$code"
echo "notifyEmail: sent to ${url} by curl (exit code \$code)" >&2
"""
    }

    @NonCPS
    private static String powershell(String url, String json, int timeout, boolean hasToken) {
        String header = hasToken ? "\$headers['Authorization'] = 'Bearer ' + \$env:NOTIFY_EMAIL_TOKEN" : ''
        return """\$ProgressPreference = 'SilentlyContinue'
[Net.WebRequest]::DefaultWebProxy = New-Object Net.WebProxy
\$headers = @{}
${header}
\$body = @'
${json}
'@
try {
  \$answer = Invoke-WebRequest -UseBasicParsing -Method Post -Uri '${url}/v1/reports' -Headers \$headers `
    -ContentType 'application/json' -Body \$body -TimeoutSec ${timeout} -MaximumRedirection 0
  [Console]::Out.Write(\$answer.Content + "`n" + [int]\$answer.StatusCode + ' 0')
} catch {
  \$response = \$_.Exception.Response
  if (\$response) {
    [Console]::Out.Write(\$_.ErrorDetails.Message + "`n" + [int]\$response.StatusCode + ' 0')
  } elseif (\$_.Exception.Status -eq 'Timeout' -or \$_.Exception.Message -match 'timed out|timeout') {
    [Console]::Out.Write("`n000 ${CURL_TIMED_OUT}")
  } elseif (\$_.Exception.Status -eq 'NameResolutionFailure') {
    [Console]::Out.Write("`n000 ${CURL_NO_HOST}")
  } else {
    [Console]::Out.Write("`n000 ${CURL_REFUSED}")
  }
}
[Console]::Error.WriteLine('notifyEmail: sent to ${url} by PowerShell')
"""
    }

}
