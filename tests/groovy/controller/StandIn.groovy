package controller

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import hudson.PluginManager
import hudson.plugins.emailext.ExtendedEmailPublisher
import hudson.tasks.Mailer
import io.jenkins.plugins.casc.ConfigurationAsCode
import com.cloudbees.plugins.credentials.SystemCredentialsProvider
import java.util.concurrent.Executors
import java.util.logging.Level
import java.util.logging.Logger
import jenkins.model.Jenkins
import jenkins.model.JenkinsLocationConfiguration
import jenkins.util.Timer
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.jenkinsci.plugins.workflow.libs.GlobalLibraries

/**
 * A Jenkins controller's stand-in: speaks HTTP as one, and really runs the Groovy that is sent to it.
 *
 *   java -cp target/test-classes:$(cat target/test-classpath.txt) controller.StandIn HOME PORT HEADERS ADDRESS
 *
 * HOME holds users.json, and may hold jenkins.yaml (in JSON) and init.groovy.d. `POST /stand-in` changes
 * what a test wants changed, and answers what has happened: see `control`.
 */
class StandIn {

    /** What is asked of a build. That the second one leads to "." is in Jenkins' Run.doSubmitDescription, not recorded. */
    private static final String OF_BUILD = '((?:/job/[^/]+)+/\\d+)/(api/json|submitDescription)'

    private static final Logger LOG = Logger.getLogger(StandIn.name)

    private final Map<String, String> headers
    private final List<String> requests = [].asSynchronized()
    /** The address of a build's page below the root → its description. */
    private final Map<String, String> builds = [:].asSynchronized()
    private volatile long readyAt = Long.MAX_VALUE

    static void main(String... arguments) {
        Home.folder = new File(arguments[0])
        Casc.file = new File(Home.folder, 'jenkins.yaml')
        StandIn made = new StandIn(new File(arguments[2]))
        HttpServer server = HttpServer.create(new InetSocketAddress(arguments[3], arguments[1] as int), 0)
        server.executor = Executors.newCachedThreadPool()
        server.createContext('/') { HttpExchange exchange -> made.answer(exchange) }
        server.start()
        made.boot()
    }

    StandIn(File recorded) {
        headers = recorded.readLines().collectEntries { line -> line.split(': ', 2) as List }
    }

    /** JCasC first, then the scripts; what is not saved is forgotten. */
    private void boot() {
        Timer.shutdown()
        [Mailer, Jenkins, JenkinsLocationConfiguration, ExtendedEmailPublisher, GlobalLibraries,
         SystemCredentialsProvider].each { type -> type.forget() }
        if (!('configuration-as-code' in PluginManager.absent)) {
            ConfigurationAsCode.get().configure()
        }
        File[] scripts = new File(Home.folder, 'init.groovy.d').listFiles() ?: []
        scripts.sort().each { script ->
            try {
                new GroovyShell(Jenkins.get().pluginManager.uberClassLoader).evaluate(script)
            } catch (Exception e) { // as Jenkins: an Error ends the start
                LOG.log(Level.WARNING, "Failed to run script ${script}", e)
            }
        }
        readyAt = 0
    }

    void answer(HttpExchange exchange) {
        String path = exchange.requestURI.path
        try {
            String body = exchange.requestBody.getText('UTF-8')
            if (path == '/stand-in') {
                respond(exchange, 200, control(body ? new JsonSlurper().parseText(body) as Map : [:]), 'application/json')
                return
            }
            requests << "${exchange.requestMethod} ${path}".toString()
            if (System.currentTimeMillis() < readyAt) {
                respond(exchange, 503, Pages.STARTING)
                return
            }
            Access access = Access.of(exchange.requestHeaders.getFirst('Authorization'))
            serve(exchange, path, access, body)
        } catch (Exception e) {
            respond(exchange, 500, Pages.error(500, e.getClass().simpleName))
        }
    }

    private void serve(HttpExchange exchange, String path, Access access, String body) {
        boolean posts = exchange.requestMethod == 'POST'
        if (access.user == null) {
            exchange.responseHeaders.set('WWW-Authenticate', 'Basic realm="Jenkins"')
            respond(exchange, 401, Pages.error(401, 'Unauthorized'))
        } else if (posts && Access.crumbs && !access.byToken && !hasCrumb(exchange)) {
            respond(exchange, 403, Pages.error(403, 'No valid crumb was included in the request'))
        } else if (!access.may('Overall/Read')) {
            forbid(exchange, access, 'Overall/Read')
        } else if (path == '/api/json') {
            advertise(exchange)
            respond(exchange, 200, new File(Home.folder, 'controller.json').text, 'application/json;charset=utf-8')
        } else if (path == '/crumbIssuer/api/json' && Access.crumbs) {
            String session = "node0${UUID.randomUUID().toString().replace('-', '')}.node0"
            exchange.responseHeaders.set('Set-Cookie', "JSESSIONID.65437d3d=${session}; Path=/; HttpOnly")
            advertise(exchange)
            respond(exchange, 200, JsonOutput.toJson([
                _class: 'hudson.security.csrf.DefaultCrumbIssuer', crumb: Access.crumb(session),
                crumbRequestField: 'Jenkins-Crumb',
            ]), 'application/json;charset=utf-8')
        } else if (exchange.requestURI.rawPath ==~ OF_BUILD) {
            build(exchange, access, posts ? form(body) : null)
        } else if (!(path in ['/scriptText', '/descriptorByName/hudson.tasks.Mailer/sendTestMail'])) {
            respond(exchange, 404, Pages.error(404, 'Not Found'))
        } else if (!access.may('Overall/Administer')) {
            forbid(exchange, access, 'Overall/Administer')
        } else if (!posts) {
            respond(exchange, 405, Pages.error(405, 'Method Not Allowed'))
        } else if (path == '/scriptText') {
            respond(exchange, 200, run(form(body).script), 'text/plain;charset=utf-8')
        } else {
            respond(exchange, 200, Mailer.descriptor().doSendTestMail(form(body)), 'text/html;charset=utf-8')
        }
    }

    /** Who may not see a build is told that there is none. */
    private void build(HttpExchange exchange, Access access, Map<String, String> form) {
        List<String> asked = (exchange.requestURI.rawPath =~ OF_BUILD)[0]
        String page = asked[1]
        if (!(page in builds.keySet()) || !access.may('Job/Read')) {
            respond(exchange, 404, Pages.error(404, 'Not Found'))
        } else if (asked[2] == 'api/json') {
            advertise(exchange)
            respond(exchange, 200, JsonOutput.toJson([
                _class: 'org.jenkinsci.plugins.workflow.job.WorkflowRun', description: builds[page],
            ]), 'application/json;charset=utf-8')
        } else if (form == null) {
            respond(exchange, 405, Pages.error(405, 'Method Not Allowed'))
        } else if (!access.may('Run/Update')) {
            forbid(exchange, access, 'Run/Update')
        } else {
            builds[page] = form.description
            exchange.responseHeaders.set('Location', "http://${exchange.requestHeaders.getFirst('Host')}${page}/")
            respond(exchange, 302, '')
        }
    }

    /** As the script console: what it printed, its result, and its exception. */
    private String run(String script) {
        ImportCustomizer imports = new ImportCustomizer().addStarImports('jenkins', 'jenkins.model', 'hudson', 'hudson.model')
        CompilerConfiguration configuration = new CompilerConfiguration()
        configuration.addCompilationCustomizers(imports)
        GroovyShell shell = new GroovyShell(Jenkins.get().pluginManager.uberClassLoader, new Binding(), configuration)
        StringWriter out = new StringWriter()
        PrintWriter printer = new PrintWriter(out)
        shell.setVariable('out', printer)
        try {
            Object result = shell.evaluate(script)
            if (result != null) {
                printer.println("Result: ${result}")
            }
        } catch (Throwable e) {
            printer.print(TestMail.printed(e))
        }
        return out.toString()
    }

    /**
     * What a test may do to it. Keys: absent (plugins), version, security, crumbs, busy (seconds that it is starting
     * yet), failing (a file that can't be saved), builds (their descriptions by their pages' paths), run (a script),
     * reload (JCasC), restart.
     *
     * @return JSON: saves, requests (both since the last time), builds, output
     */
    private String control(Map asked) {
        asked.absent?.with { PluginManager.absent = it as Set }
        asked.version?.with { headers['X-Jenkins'] = it }
        if (asked.containsKey('security')) {
            Access.security = asked.security
        }
        if (asked.containsKey('crumbs')) {
            Access.crumbs = asked.crumbs
        }
        if (asked.containsKey('failing')) {
            Home.failing = asked.failing
        }
        if (asked.containsKey('builds')) {
            builds.clear()
            builds.putAll(asked.builds as Map<String, String>)
        }
        String output = asked.run ? run(asked.run) : null
        if (asked.reload) {
            ConfigurationAsCode.get().configure()
        }
        if (asked.restart) {
            boot()
        }
        asked.busy?.with { readyAt = System.currentTimeMillis() + (it * 1000 as long) }
        String told = JsonOutput.toJson([saves: Home.SAVES, requests: requests, builds: builds, output: output])
        Home.SAVES.clear()
        requests.clear()
        return told
    }

    private static boolean hasCrumb(HttpExchange exchange) {
        String cookie = exchange.requestHeaders.getFirst('Cookie') ?: ''
        String session = cookie.split('; ')*.split('=', 2).find { pair -> pair[0].startsWith('JSESSIONID') }?.getAt(1)
        return session != null && exchange.requestHeaders.getFirst('Jenkins-Crumb') == Access.crumb(session)
    }

    private void forbid(HttpExchange exchange, Access access, String permission) {
        advertise(exchange)
        exchange.responseHeaders.set('X-You-Are-Authenticated-As', access.user)
        exchange.responseHeaders.set('X-Required-Permission', "hudson.model.${permission.replace('Overall', 'Hudson').replace('/', '.')}")
        respond(exchange, 403,
            access.user == 'anonymous' ? Pages.AUTHENTICATION_REQUIRED : Pages.denied(access.user, permission))
    }

    private void advertise(HttpExchange exchange) {
        exchange.responseHeaders.set('X-Jenkins', headers['X-Jenkins'])
        exchange.responseHeaders.set('X-Jenkins-Session', headers['X-Jenkins-Session'])
    }

    private void respond(HttpExchange exchange, int status, String body, String type = 'text/html;charset=utf-8') {
        headers.findAll { name, value -> !name.startsWith('X-Jenkins') }.each { name, value ->
            exchange.responseHeaders.set(name, value)
        }
        exchange.responseHeaders.set('Content-Type', type)
        byte[] bytes = body.getBytes('UTF-8')
        exchange.sendResponseHeaders(status, bytes.length ?: -1)
        exchange.responseBody.write(bytes)
        exchange.close()
    }

    private static Map<String, String> form(String body) {
        return body.split('&').findAll().collectEntries { pair ->
            pair.split('=', 2).collect { text -> URLDecoder.decode(text, 'UTF-8') }
        }
    }

}
