package notifyemail

import com.cloudbees.plugins.credentials.common.StandardCredentials
import com.sun.net.httpserver.HttpServer
import groovy.io.FileType
import groovy.json.JsonSlurper
import harness.Tripwire
import harness.TripwireScript
import hudson.util.Secret
import org.jenkinsci.plugins.workflow.job.WorkflowRun
import org.junit.After
import org.junit.Before
import org.junit.Test

import java.lang.reflect.Modifier
import java.nio.file.Path

/**
 * A sandboxed Jenkinsfile gets nothing through a trusted library that the sandbox would refuse. It may call
 * every constructor and method there, private ones too, with arguments of its choice.
 */
class SandboxEscapeTest extends PipelineTest {

    private static final String SECRET = 'a-secret-of-this-controller'

    /** Arguments that a Jenkinsfile may pass: name → class, or the name of a class of the library. */
    private static final Map<String, Object> ARGUMENTS = [
        nothing: null, text: String, name: String, number: Integer, yes: Boolean, system: Class, classLiteral: Class, jenkins: Class,
        web: URL, file: URL, tripwire: Tripwire, build: Object, environment: Object, plainMap: LinkedHashMap,
        hostileMap: LinkedHashMap, list: ArrayList, closure: Closure, methodPointer: Closure, webPointer: Closure, failure: Exception,
        foreignScript: Script, script: Script, error: 'BuildError', options: 'Options', shellOptions: 'Options',
        answer: 'ServiceAnswer', client: 'ReportClient',
    ]

    /** The script that makes these arguments: only a script can make closures and objects of its own. */
    private static final String POOL = '''
        Map hostileMap = [env: System, currentBuild: tripwire, fullDisplayName: web, error: tripwire, to: web, subject: tripwire,
                          url: { -> tripwire }, transport: 'httpRequest', credentialsId: tripwire, data: [system: System, web: web],
                          echo: { it }, mail: { tripwire }, httpRequest: { tripwire }, sh: { tripwire }, template: file, password: web]
        Map pool = [
            nothing: null, text: 'NOTIFY_EMAIL_TO', name: 'rawBuild', number: 7, yes: true, system: System,
            classLiteral: harness.Tripwire, jenkins: jenkins.model.Jenkins, web: web, file: file, tripwire: tripwire,
            build: currentBuild, environment: env, plainMap: [to: 'ada@example.com', data: [n: 1]], hostileMap: hostileMap,
            list: [tripwire, System, web], closure: { -> tripwire }, methodPointer: System.&getenv, webPointer: web.&getText,
            failure: new Exception('own'), foreignScript: foreignScript, script: this,
            error: new notifyemail.BuildError('SUCCESS', 'rawBuild', 'SUCCESS'),
            options: new notifyemail.Options(hostileMap, foreignScript),
            shellOptions: new notifyemail.Options([transport: 'shell', credentialsId: 'x'], this),
            answer: notifyemail.ServiceAnswer.unavailable('own'),
            client: new notifyemail.ReportClient(foreignScript, new notifyemail.Options(hostileMap, foreignScript)),
        ]
        '''

    /** What the sandbox refuses when the library calls an argument, such as a closure of the Jenkinsfile. */
    private static final List<String> REFUSED = [
        'method java.lang.Class getenv', 'staticMethod java.lang.System getenv', 'method java.net.URL getText',
    ]

    /** Class → expressions for objects of it, whose methods are called. */
    private static final Map<String, List<String>> OBJECTS = [
        ServiceAnswer: ['pool.answer', "notifyemail.ServiceAnswer.parse('http://x', 202, '{\"id\": 1}')"],
        PlainCopy    : ['new notifyemail.PlainCopy()'],
        BuildError   : ['pool.error', 'notifyemail.BuildError.from(pool.failure)'],
        BuildNotifier: ['new notifyemail.BuildNotifier(foreignScript, hostileMap)', 'new notifyemail.BuildNotifier(this, hostileMap)',
                        "new notifyemail.BuildNotifier(this, [to: 'ada@example.com'])"],
        Options      : ['pool.options', "new notifyemail.Options([to: 'ada@example.com'], null)"],
        ReportClient : ['pool.client', 'new notifyemail.ReportClient(this, pool.options)',
                        'new notifyemail.ReportClient(this, pool.shellOptions)',
                        "new notifyemail.ReportClient(this, new notifyemail.Options([transport: 'httpRequest'], foreignScript))"],
        notifyEmail  : ['notifyEmail'],
    ]

    private HttpServer web
    private File file
    private final List<String> webRequests = [].asSynchronized()

    @Before
    void startWeb() {
        web = HttpServer.create(new InetSocketAddress('127.0.0.1', 0), 0)
        web.createContext('/') { exchange ->
            webRequests << exchange.requestURI.path
            exchange.sendResponseHeaders(200, SECRET.length())
            exchange.responseBody.write(SECRET.bytes)
            exchange.close()
        }
        web.start()
        file = File.createTempFile('secret', '.txt')
        file.text = SECRET
    }

    @After
    void stopWeb() {
        web.stop(0)
        file.delete()
    }

    /** Make a controller with a trusted library and a secret token, and give the Jenkinsfile objects that it may pass. */
    private void prepare() {
        controller(trusted)
        store('notify-email-token', SECRET)
        controller.given.putAll(
            secret: SECRET, results: [], tripwire: new Tripwire(), foreignScript: new TripwireScript(),
            web: new URL("http://127.0.0.1:${web.address.port}/"), file: file.toURI().toURL(),
        )
    }

    /** Check that nothing was read that the sandbox refuses, and that the controller's token reported only the running build. */
    private void nothingLeaked(Object returned = null) {
        assert controller.leaks == []
        assert webRequests == []
        assert !isSecret(returned, [])
        assert !controller.log.join('\n').contains(SECRET)
        service.requests.findAll { request -> request.authorization }.each { request ->
            Map report = new JsonSlurper().parseText(request.body) as Map
            assert report.build.job == 'shop/checkout'
            assert report.build.number == 2
            assert report.build.url == controller.build.url
        }
    }

    private static boolean isSecret(Object value, List seen) {
        if (value == null || value instanceof Tripwire || value instanceof Class || seen.any { known -> known.is(value) }) {
            return false
        }
        if (value instanceof WorkflowRun || value instanceof Secret || value instanceof StandardCredentials ||
            value instanceof URLConnection || value instanceof InputStream) {
            return true
        }
        if (value instanceof CharSequence) {
            return value.toString().contains(SECRET) || value.toString().contains(System.getenv('PATH'))
        }
        seen << value
        if (value instanceof Map) {
            return value.any { key, item -> isSecret(key, seen) || isSecret(item, seen) }
        }
        if (value instanceof Collection || value instanceof Object[]) {
            return value.any { item -> isSecret(item, seen) }
        }
        if (value instanceof Throwable) {
            return isSecret("${value.message}", seen)
        }
        boolean isOurs = value.getClass().name.startsWith('notifyemail.')
        return isOurs && value.getClass().declaredFields.findAll { field -> !field.synthetic }.any { field ->
            field.accessible = true
            isSecret(field.get(value), seen)
        }
    }

    @Test
    void 'a caller can not choose the name of a property'() {
        ['''new notifyemail.Options([:], [env: file]).fromEnvironment('text')''',
         '''new notifyemail.Options([:], [env: System]).fromEnvironment('env')''',
         '''new notifyemail.Options([:], [env: currentBuild]).fromEnvironment('rawBuild')''',
         '''new notifyemail.Options([:], this).fromEnvironment('rawBuild')'''].each { expression ->
            prepare()
            assert failure("return ${expression}") instanceof GroovyRuntimeException
            nothingLeaked()
        }
    }

    @Test
    void 'a caller can not pass another object in place of the script'() {
        ['[env: System]', '[currentBuild: tripwire]', 'System', 'web', 'tripwire', 'currentBuild'].each { object ->
            ['new notifyemail.Options([:], %s)', 'new notifyemail.BuildNotifier(%s, [:])',
             'new notifyemail.ReportClient(%s, new notifyemail.Options([:], this))', 'notifyemail.BuildReport.json(%s, [:], null)',
             'notifyemail.RunningBuild.env(%s)', 'notifyemail.RunningBuild.currentBuild(%s)'].each { expression ->
                prepare()
                requireMethods(expression)
                assert failure('return ' + String.format(expression, object)) instanceof GroovyRuntimeException
                nothingLeaked()
            }
        }
    }

    @Test
    void 'a field takes no object of another type'() {
        ['new notifyemail.Options([:], this).@script', 'new notifyemail.BuildNotifier(this, [:]).@script',
         'new notifyemail.BuildNotifier(this, [:]).@options', 'new notifyemail.ReportClient(this, null).@script',
         'new notifyemail.ReportClient(this, null).@options', "notifyemail.BuildError.from(new Exception('own')).@message",
         'notifyemail.transport.HttpRequestTransport.@RESPONSE'].each { field ->
            ['tripwire', '[currentBuild: tripwire]', 'System'].each { object ->
                prepare()
                assert failure("${field} = ${object}") instanceof Exception
                nothingLeaked()
            }
        }
    }

    @Test
    void 'no class of the library can have a subclass'() {
        libraryClasses().each { name ->
            prepare()
            assert failure("class Evil extends ${name} { }; return 1").message.contains('final class')
        }
    }

    @Test
    void 'of a script that a caller passes only steps are called'() {
        ['new notifyemail.Options([:], foreignScript).mail()', 'new notifyemail.Options([:], foreignScript).url',
         'notifyemail.BuildReport.json(foreignScript, [:], null)', 'notifyemail.BuildReport.changes(foreignScript, 9, 9)',
         'new notifyemail.BuildNotifier(foreignScript, [:]).report()', 'notifyemail.RunningBuild.env(foreignScript).JOB_NAME',
         'new notifyemail.BuildNotifier(foreignScript, [transport: "httpRequest"]).report()'].each { expression ->
            prepare()
            nothingLeaked(controller.run("return ${expression}"))
        }
    }

    @Test
    void 'the result of a step that the Jenkinsfile defines is not read'() {
        ['web', 'file', 'tripwire'].each { answer ->
            prepare()
            controller.steps.instead.httpRequest = { controller.given[answer] }
            Map result = controller.run("return notifyEmail(transport: 'httpRequest')")
            assert result.state == 'mailed'
            assert result.error.contains('is not that of the HTTP Request plugin')
            nothingLeaked(result)
        }
    }

    @Test
    void 'a report describes the running build, whatever the caller passes'() {
        prepare()
        controller.run('''
            Map lies = [schema: 1, build: [job: 'other/job', number: 1, result: 'SUCCESS'], job: 'other/job', number: 1]
            notifyemail.transport.ControllerTransport.send(lies, null)
            Map mail = [to: 'ada@example.com', build: lies]
            notifyemail.transport.ControllerTransport.send(mail, new notifyemail.BuildError('x', 'y', 'SUCCESS'))
            notifyEmail(data: lies)''')
        assert service.reports.size() == 3
        assert service.reports*.build*.result == ['FAILURE'] * 3
        nothingLeaked()
        String call = "notifyemail.transport.ControllerTransport.send('{\"build\": {\"job\": \"other/job\"}}')"
        assert failure(call) instanceof MissingMethodException
    }

    @Test
    void 'an object in an argument is sent as its text'() {
        prepare()
        controller.run('''notifyEmail(data: [a: System, b: web, c: file, d: tripwire, e: [tripwire], f: currentBuild, g: { -> tripwire },
            h: new groovy.json.JsonSlurper().parseText('{"a": {"b": [1]}}'), i: 'a,b'.split(',')])''')
        Map data = service.reports[0].mail.data
        assert data.a == 'class java.lang.System'
        assert data.b == controller.given.web.toString()
        assert data.d.startsWith('harness.Tripwire@')
        assert data.e[0] == data.d
        assert data.h == [a: [b: [1]]]
        assert data.i == ['a', 'b']
        nothingLeaked()
    }

    @Test
    void 'of an error only class name and message are sent'() {
        prepare()
        controller.run("try { error 'own' } catch (e) { notifyEmail(error: e) }")
        assert service.reports[0].error == [type: 'hudson.AbortException', message: 'own']
        ['tripwire', 'currentBuild', '[message: web]', 'web'].each { error ->
            assert failure("notifyEmail(error: ${error})").message == 'notifyEmail: error takes the exception that was caught.'
        }
        nothingLeaked()
    }

    @Test
    void 'a body runs as the Jenkinsfile, not as the library'() {
        ['web.&getText', 'System.&getenv', '{ -> web.text }', '{ -> System.getenv() }'].each { body ->
            prepare()
            assert failure("notifyEmail(${body})") instanceof SecurityException
            assert webRequests == []
            assert !controller.log.join('\n').contains(SECRET)
            controller.sandbox.pending.clear() // the Jenkinsfile itself did this
        }
    }

    /** Classes that a Jenkinsfile may write: methods that Java and Groovy call return any object, here the tripwire. */
    private static final String LIARS = '''
        class Loot {
            static Object object
        }
        class Liar extends Exception implements GroovyInterceptable {
            @NonCPS
            Object invokeMethod(String method, Object given) { return Loot.object }
        }
        class SlowLiar extends Exception implements GroovyInterceptable {
            Object invokeMethod(String method, Object given) { return Loot.object }
        }
        class FakeMap extends HashMap {
            static String name = 'java.util.HashMap'
            @NonCPS
            boolean asBoolean() { return true }
            @NonCPS
            Set entrySet() { return [Loot.object] as Set }
        }
        class SlowMap extends HashMap {
            static String name = 'java.util.HashMap'
            Object asBoolean() { return Loot.object }
            Set entrySet() { return Loot.object }
        }
        class SlowList extends ArrayList {
            Iterator iterator() { return Loot.object }
        }
        class Changing extends HashMap {
            static boolean even = false
            @NonCPS
            Object get(Object key) { return (Changing.even = !Changing.even) ? [] : Loot.object }
        }
        Loot.object = tripwire
        '''

    @Test
    void 'an object of a class that the Jenkinsfile defines gives no access to another object'() {
        ['notifyemail.ServiceAnswer.problemDetail([errors: [tripwire]])', 'notifyemail.ServiceAnswer.problemDetail(new Changing())',
         "notifyemail.ServiceAnswer.accepted('http://x', new Changing())",
         'notifyemail.BuildError.from(new Liar()).type', 'notifyemail.BuildError.from(new SlowLiar()).type',
         'notifyemail.BuildError.isInterruption(new Liar())',
         'notifyemail.BuildError.reason(new Liar())', 'notifyemail.JsonValues.className(new Liar())',
         'notifyemail.ServiceAnswer.unreadableBuild(new Liar())',
         'notifyemail.Options.trimAddress(new Liar())',
         'notifyemail.JsonValues.plain(new FakeMap())', 'notifyemail.JsonValues.plain(new FakeMap().withDefault { 1 })',
         'notifyemail.JsonValues.plain(Collections.unmodifiableList([new FakeMap()]))',
         'new notifyemail.PlainCopy().copyMap(new FakeMap(), 0)', 'notifyemail.ServiceAnswer.sentences([new FakeMap()])',
         'notifyemail.Options.parse(new FakeMap())', 'notifyEmail(new FakeMap())', 'notifyEmail(data: new FakeMap())',
         'notifyEmail(new SlowMap())', 'notifyEmail(data: new SlowMap().withDefault { 1 })', 'notifyEmail(error: new SlowLiar())',
         'notifyEmail(error: new Liar())', 'notifyEmail(subject: new SlowLiar())', 'notifyEmail { throw new SlowLiar() }',
         'notifyEmail { throw new Liar() }', 'notifyEmail(to: Collections.unmodifiableList(new SlowList()))',
         'new notifyemail.BuildNotifier(this, new SlowMap()).report()',
         'new notifyemail.BuildNotifier(this, [data: Collections.unmodifiableList(new SlowList())]).report()',
         'new notifyemail.BuildNotifier(this, [data: new SlowMap().withDefault { 1 }]).report()',
         'new notifyemail.BuildNotifier(this, [to: Collections.unmodifiableList(new SlowList())]).report()',
         'new notifyemail.BuildNotifier(this, [url: new SlowLiar(), transport: "httpRequest"]).report()',
         'new notifyemail.BuildNotifier(this, [transport: new SlowLiar()]).report()',
         'new notifyemail.BuildNotifier(this, [mistake: new SlowLiar()]).report()',
         'new notifyemail.BuildNotifier(this, [error: new SlowLiar()]).report()',
         'new notifyemail.ReportClient(this, options).send([data: Collections.unmodifiableList(new SlowList())], null)',
         'new notifyemail.ReportClient(this, options).send(new SlowMap(), null)',
        ].each { expression ->
            prepare()
            requireMethods(expression)
            Object given
            try {
                given = controller.run("${LIARS}; Object options = new notifyemail.Options([:], this); return ${expression}")
            } catch (Throwable e) {
                given = e
            }
            assert controller.leaks == [] : expression
            assert given instanceof Throwable || !isSecret(given, []) : expression
            controller.sandbox.pending.clear() // the Jenkinsfile itself did this
            nothingLeaked()
        }
    }

    @Test
    void 'a result of a step that lies about its class gives no access to another object'() {
        prepare()
        controller.run("${LIARS}; Object httpRequest(Map request) { return new Liar() }; " +
            "new notifyemail.BuildNotifier(this, [transport: 'httpRequest']).report()")
        nothingLeaked()
    }

    @Test
    void 'the closure around the shell calls nothing on an object of the Jenkinsfile'() {
        prepare()
        controller.steps.instead.sh = { '\n000 7' }
        controller.run('''
            Object withCredentials(List bindings, Closure body) {
                body.setDelegate(tripwire)
                body.setResolveStrategy(3)
                return body()
            }
            node {
                new notifyemail.BuildNotifier(this, [transport: 'shell', credentialsId: 'x']).report()
            }''')
        nothingLeaked()
    }

    /**
     * A closure would be a class of the library, too: a Jenkinsfile could make an object of it, and call it with
     * any other object. Closures in CPS code are not classes.
     */
    @Test
    void 'no closure is a class of the library'() {
        prepare()
        controller.run('notifyEmail()')
        List<String> loaded = controller.@libraryLoader.loadedClasses*.name
        assert loaded.containsAll(libraryClasses())
        assert loaded.findAll { name -> name.startsWith('notifyemail.') && name.contains('$') } == []
    }

    /** A service that does not read could block the controller's thread, and no timeout ends a write. */
    @Test
    void 'a report that is larger than the service reads is not sent'() {
        prepare()
        controller.given.large = 'x' * 65000
        Map result = controller.run('''
            List texts = []
            for (int i = 0; i < 20; i++) {
                texts.add(large)
            }
            return notifyEmail(data: [texts: texts])''')
        assert result.state == 'refused'
        assert result.error.contains('the service accepts at most 1048576')
        assert service.requests == []
    }

    @Test
    void 'the constants of the library can not be changed'() {
        prepare()
        failure('Collections.reverse(notifyemail.BuildReport.RESULTS)')
        failure("notifyemail.BuildReport.RESULTS.add(0, 'FAILURE')")
        failure('notifyemail.Options.KNOWN.put("x", "text")')
        failure('notifyemail.Options.TRANSPORTS.add("x")')
        controller.sandbox.pending.clear()
        controller.run("notifyemail.transport.ControllerTransport.send([:], new notifyemail.BuildError('x', 'y', 'SUCCESS'))")
        assert service.reports*.build*.result == ['FAILURE']
    }

    /** What a build knows of itself from inside leaves the library in its report only, and never reaches a caller. */
    @Test
    void 'no caller gets an object that reads the build from inside'() {
        ['OwnBuild.run()', 'OwnBuild.require()', 'new FlowGraph()', 'new People()', 'new TestResults().read()',
         'new InsideReport([build: [result: "FAILURE"]], null).json()', 'new LogTail(tripwire, 9)', 'new Stages(null)'].each { expression ->
            prepare()
            String call = expression.replaceFirst('[A-Z]', 'notifyemail.inside.$0')
            assert failure("return ${call}").message == 'only the step notifyEmail reads a build from inside'
            assert failure("package notifyemail.inside; return ${expression}") instanceof IllegalStateException
            nothingLeaked()
        }
    }

    @Test
    void 'a caller can not say that the step is reporting, nor reset the count of its reports'() {
        ['REPORTING.set(true)', 'REPORTING.get()', 'REPORTS_LEFT.release(9)', 'REPORTS_LEFT.drainPermits()'].each { call ->
            prepare()
            assert failure("notifyemail.inside.OwnBuild.${call}") instanceof harness.RejectedAccessException
            controller.sandbox.pending.clear() // the Jenkinsfile itself did this
        }
        ['REPORTING', 'REPORTS_LEFT', 'MAX_REPORTS'].each { field ->
            prepare()
            assert failure("notifyemail.inside.OwnBuild.@${field} = null") instanceof Exception
            assert failure("notifyemail.inside.OwnBuild.${field} = null") instanceof Exception
        }
        controller.run('notifyEmail()')
        assert failure('return new notifyemail.inside.FlowGraph()') instanceof IllegalStateException
    }

    @Test
    void 'a class of the same name that a Jenkinsfile brings along gains nothing'() {
        prepare()
        controller.run('''
            package notifyemail.inside
            class OwnBuild {
                static Object REPORTING = [get: true]
                static void require() { }
            }
            results.add(OwnBuild.require())
            try { results.add(new FlowGraph()) } catch (IllegalStateException e) { results.add('refused') }
            notifyEmail()''')
        assert controller.given.results == [null, 'refused']
        assert service.reports.size() == 1
        nothingLeaked()
    }

    /** A folder's library is sandboxed, and its loader asks that of the trusted library first. */
    @Test
    void 'a class of the same name in a library of a folder gains nothing'() {
        prepare()
        File library = java.nio.file.Files.createTempDirectory('library').toFile()
        File folder = new File(library, 'notifyemail/inside')
        folder.mkdirs()
        new File(folder, 'OwnBuild.groovy').text = '''
            package notifyemail.inside
            class OwnBuild {
                static Object run() { return org.jenkinsci.plugins.workflow.cps.CpsThread.current().execution.owner.executable }
                static void require() { }
            }'''
        new File(folder, 'Thief.groovy').text = '''
            package notifyemail.inside
            class Thief {
                static Object graph() { return new FlowGraph() }
                static Object build() { return OwnBuild.run() }
            }'''
        controller.@scriptLoader.addClasspath(library.path)
        try {
            ['notifyemail.inside.OwnBuild.run()', 'notifyemail.inside.Thief.build()', 'notifyemail.inside.Thief.graph()',
             'new notifyemail.inside.FlowGraph()'].each { call ->
                assert failure("return ${call}").message == 'only the step notifyEmail reads a build from inside'
            }
            controller.run('notifyEmail()')
            assert service.reports*.complete == [true]
            nothingLeaked()
        } finally {
            library.deleteDir()
        }
    }

    @Test
    void 'one build sends at most a hundred reports'() {
        prepare()
        controller.run('for (int i = 0; i < 101; i++) { results.add(notifyemail.transport.ControllerTransport.send([:], null).state) }')
        assert controller.given.results == ['accepted'] * 100 + ['refused']
        assert service.requests.size() == 100
        prepare()
        assert controller.run('return notifyEmail().state') == 'received'
    }

    @Test
    void 'no constructor or method gives access to a secret'() {
        int calls = 0
        Set<String> covered = []
        prepare()
        (['notifyEmail'] + libraryClasses()).each { name ->
            Class type = controller.@libraryLoader.loadClass(name)
            calls += callEverything(type)
            covered << type.simpleName
        }
        assert covered.containsAll(['JsonValues', 'ControllerTransport', 'HttpRequestTransport', 'ShellTransport'])
        assert covered.size() > 11
        assert calls > 1500
    }

    /** Check that the methods of the library in an expression exist: to call a missing one would test nothing. */
    private void requireMethods(String expression) {
        (expression =~ /(notifyemail\.(?:transport\.)?[A-Z]\w+)(?:\(\))?\.(\w+)\(/).each { text, type, method ->
            assert controller.@libraryLoader.loadClass(type).declaredMethods*.name.contains(method) : text
        }
    }

    /** Return the name of each class in src/, also of those in a sub-package. */
    private static List<String> libraryClasses() {
        List<String> names = []
        Path root = new File('src').toPath()
        root.toFile().eachFileRecurse(FileType.FILES) { file ->
            names << root.relativize(file.toPath()).toString().replace('/', '.') - '.groovy'
        }
        return names.sort()
    }

    /** Call everything in a class from one Pipeline, and return the number of calls. */
    private int callEverything(Class type) {
        List<String> actions = []
        List<List> plan = []
        type.declaredConstructors.findAll { made -> !made.synthetic }.each { made ->
            plan.addAll(combinations(made.parameterTypes).collect { names -> [actions.size(), names] })
            actions << action("new ${type.name}(%s)", made.parameterTypes)
        }
        type.declaredMethods.findAll { method -> !method.synthetic && !isGroovys(type, method.name) }.each { method ->
            List<String> receivers = Modifier.isStatic(method.modifiers) ? [type.name] : OBJECTS[type.simpleName]
            if (isInside(type)) {
                receivers = receivers ?: [] // no caller can make an object: see below
            }
            assert receivers != null : "OBJECTS needs an object to call ${type.simpleName}.${method.name} on"
            receivers.each { receiver ->
                plan.addAll(combinations(method.parameterTypes).collect { names -> [actions.size(), names] })
                actions << action("(${receiver}).${method.name}(%s)", method.parameterTypes)
            }
        }
        prepare()
        controller.steps.instead.sh = { '\n000 7' }
        controller.variables.putAll(NODE_NAME: 'agent-7', WORKSPACE: '/tmp')
        controller.given.plan = plan
        controller.run(POOL + """
            List actions = [${actions.join(',\n')}]
            for (call in plan) {
                List arguments = []
                for (name in call[1]) {
                    arguments.add(pool[name])
                }
                try {
                    Closure action = actions[call[0]]
                    results.add([call, action(arguments)])
                } catch (Throwable e) {
                    results.add([call, e])
                }
            }""")
        List results = controller.given.results
        assert results.size() == plan.size()
        results.each { result ->
            String action = actions[result[0][0]]
            assert !(action.contains('new notifyemail.inside.')) || result[1] instanceof IllegalStateException : action
            assert !isSecret(result[1], []) : "${actions[result[0][0]]} with ${result[0][1]} gave ${result[1]}"
        }
        controller.sandbox.pending.removeAll { signature -> signature in REFUSED }
        assert controller.sandbox.pending == []
        nothingLeaked()
        return plan.size()
    }

    private static boolean isInside(Class type) {
        return type.name.startsWith('notifyemail.inside.')
    }

    private static boolean isGroovys(Class type, String method) {
        return method.contains('$') || method.startsWith('___') || Script.isAssignableFrom(type) && method in ['main', 'run'] ||
            method in ['getMetaClass', 'setMetaClass', 'invokeMethod', 'getProperty', 'setProperty']
    }

    private static String action(String call, Class... parameters) {
        return '{ a -> ' + String.format(call, (0..<parameters.length).collect { index -> "a[${index}]" }.join(', ')) + ' }'
    }

    /** Return combinations of the arguments that fit the parameters: all, or about 300 of them at equal distances. */
    private static List<List<String>> combinations(Class... parameters) {
        List<List<String>> fitting = parameters.collect { parameter ->
            Class wanted = parameter.primitive ? [boolean: Boolean, int: Integer][parameter.name] : parameter
            ARGUMENTS.findAll { name, type ->
                boolean fits = type instanceof Class ? wanted.isAssignableFrom(type) : wanted.simpleName in [type, 'Object']
                type == null ? !parameter.primitive : fits
            }.keySet() as List
        }
        List<List<String>> all = fitting ? fitting.combinations() : [[]]
        int step = Math.max(1, all.size().intdiv(300))
        return (0..<all.size()).step(step % 2 ? step : step + 1).collect { index -> all[index] }
    }

}
