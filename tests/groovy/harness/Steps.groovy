package harness

import hudson.AbortException
import jenkins.model.Jenkins
import jenkins.plugins.http_request.ResponseContentSupplier

/** The steps of a controller. HTTP requests and shells are real. */
class Steps {

    /** Mailer's setting for addresses without @. */
    static final String DEFAULT_SUFFIX = '@suffix.example.com'

    /** The arguments of the mail step's calls, each with all `recipients`. */
    final List<Map> mails = []
    /** Scripts that PowerShell would have run. */
    final List<String> powershell = []
    /** Step → closure that runs in its place and gets the StepCall. */
    final Map<String, Closure> instead = [:]
    final Set<String> absent = []

    private static final Set<String> KNOWN = [
        'echo', 'error', 'mail', 'httpRequest', 'sh', 'powershell', 'node', 'stage', 'withEnv', 'withCredentials',
        'input', 'junit',
    ] as Set

    private final Controller controller

    Steps(Controller controller) {
        this.controller = controller
    }

    boolean has(String name) {
        return (name in KNOWN || name in instead.keySet()) && !(name in absent)
    }

    Object run(StepCall step) {
        if (step.part == 'end') {
            controller.blocks.pop()
            return null
        }
        if (step.part == 'begin') {
            controller.blocks.push([name: step.name, variables: block(step)])
            return null
        }
        if (instead[step.name]) {
            return instead[step.name].call(step)
        }
        return invokeMethod(step.name, step)
    }

    private Map block(StepCall step) {
        switch (step.name) {
            case 'node':
                return [NODE_NAME: step.args ? step.args[0] : 'agent-1', WORKSPACE: '/tmp']
            case 'stage':
                return [STAGE_NAME: step.args[0]]
            case 'withEnv':
                return step.args[0].collectEntries { pair -> pair.split('=', 2) as List }
            case 'withCredentials':
                return step.args[0].collectEntries { binding ->
                    StoredCredential stored = credential(binding.credentialsId)
                    [(binding.usernameVariable): 'jenkins', (binding.passwordVariable): stored.password.plainText]
                }
            default:
                return [:]
        }
    }

    private static StoredCredential credential(String id) {
        StoredCredential credential = Jenkins.credentials.find { stored -> stored.id == id }
        if (credential == null) {
            throw new AbortException("Could not find credentials entry with ID '${id}'")
        }
        return credential
    }

    /** Return name and password for the step httpRequest, whose plugin reads the credential before it connects. */
    private static String authentication(String id) {
        StoredCredential credential = Jenkins.credentials.find { stored -> stored.id == id }
        if (credential == null) {
            throw new IllegalStateException("Authentication '${id}' doesn't exist anymore")
        }
        return "jenkins:${credential.password.plainText}"
    }

    Object echo(StepCall step) {
        controller.log.addAll(step.args[0].toString().readLines())
        return null
    }

    Object error(StepCall step) {
        throw new AbortException(step.args[0].toString())
    }

    Object input(StepCall step) {
        return null
    }

    Object junit(StepCall step) {
        controller.build.set('result', 'UNSTABLE')
        return null
    }

    /** Split recipients at spaces and commas and complete addresses, like Mailer's MimeMessageBuilder. */
    Object mail(StepCall step) {
        List<String> words = ['to', 'cc', 'bcc'].collectMany { kind -> (step.named()[kind] ?: '').tokenize(' \t\n\r\f,') }
        List<String> recipients = words.collect { word -> word.contains('@') ? word : word + DEFAULT_SUFFIX }
        if (!recipients || recipients.any { recipient -> recipient.contains(';') }) {
            throw new AbortException("Not sent: ${recipients}")
        }
        mails << step.named() + [recipients: recipients]
        return null
    }

    /** Return the output of the script without a service: PowerShell itself is not run. */
    Object powershell(StepCall step) {
        requireNode()
        powershell << step.named().script
        return 'Unable to connect to the remote server\r\n000 7\r\n'
    }

    private void requireNode() {
        if (!controller.environment('WORKSPACE')) {
            throw new IllegalStateException('Required context class hudson.FilePath is missing') // MissingContextVariableException
        }
    }

    Object sh(StepCall step) {
        requireNode()
        List<String> names = controller.blocks*.variables*.keySet().flatten().unique()
        Map environment = [PATH: System.getenv('PATH')] + names.collectEntries { name -> [name, controller.environment(name)] }
        File script = File.createTempFile('step', '.sh')
        script.text = step.named().script
        ProcessBuilder builder = new ProcessBuilder('/bin/sh', '-xe', script.path)
        builder.environment().clear()
        environment.each { name, value -> builder.environment().put(name, value.toString()) }
        Process process = builder.start()
        StringBuffer out = new StringBuffer()
        StringBuffer err = new StringBuffer()
        process.waitForProcessOutput(out, err)
        script.delete()
        controller.log.addAll(err.toString().readLines())
        if (process.exitValue() != 0) {
            throw new AbortException("script returned exit code ${process.exitValue()}")
        }
        return out.toString()
    }

    Object httpRequest(StepCall step) {
        Map request = step.named()
        assert request.validResponseCodes == '100:599'
        HttpURLConnection connection = new URL(request.url).openConnection(Proxy.NO_PROXY) as HttpURLConnection
        String pair = request.authentication ? authentication(request.authentication) : null
        try {
            connection.instanceFollowRedirects = false
            connection.connectTimeout = connection.readTimeout = request.timeout * 1000
            connection.requestMethod = request.httpMode
            connection.doOutput = true
            assert request.contentType == 'APPLICATION_JSON'
            connection.setRequestProperty('Content-Type', 'application/json')
            if (pair) {
                connection.setRequestProperty('Authorization', 'Basic ' + pair.bytes.encodeBase64())
            }
            connection.outputStream.withStream { out -> out.write(request.requestBody.getBytes('UTF-8')) }
            int status = connection.responseCode
            InputStream body = status < 400 ? connection.inputStream : connection.errorStream
            String text = body?.getText('UTF-8') ?: ''
            if (text.getBytes('UTF-8').length < connection.contentLength) {
                throw new IOException('Premature end of Content-Length delimited message body')
            }
            return new ResponseContentSupplier(status, text)
        } catch (UnknownHostException ignored) {
            return new ResponseContentSupplier(404, 'UnknownHostException as 404 Not Found')
        } catch (SocketTimeoutException | ConnectException e) {
            // As measured: the plugin turns a failed connection into a response.
            return new ResponseContentSupplier(408, "${e.getClass()}(${e.message}) as 408 Request Timeout")
        } catch (IOException e) {
            throw new IllegalStateException(e)
        } finally {
            connection.disconnect()
        }
    }

}
