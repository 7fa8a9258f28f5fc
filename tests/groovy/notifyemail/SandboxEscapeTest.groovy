package notifyemail

import com.cloudbees.plugins.credentials.common.StandardCredentials
import com.sun.net.httpserver.HttpServer
import groovy.json.JsonSlurper
import harness.Tripwire
import harness.TripwireScript
import hudson.util.Secret
import org.jenkinsci.plugins.workflow.job.WorkflowRun
import org.junit.After
import org.junit.Before
import org.junit.Test

import java.lang.reflect.Modifier

/**
 * A sandboxed Jenkinsfile gets nothing through a trusted library that the sandbox would refuse: it may call
 * every constructor and method there, private ones too, with arguments of its choice.
 */
class SandboxEscapeTest extends PipelineTest {

    private static final String SECRET = 'a-secret-of-this-controller'

    /** What a Jenkinsfile may hand over, by name, each with its class or the library's name of it. */
    private static final Map<String, Object> ARGUMENTS = [
        nothing: null, text: String, name: String, number: Integer, yes: Boolean, system: Class, classLiteral: Class, jenkins: Class,
        web: URL, file: URL, tripwire: Tripwire, build: Object, environment: Object, plainMap: LinkedHashMap,
        hostileMap: LinkedHashMap, list: ArrayList, closure: Closure, methodPointer: Closure, webPointer: Closure, failure: Exception,
        foreignScript: Script, script: Script, error: 'BuildError', options: 'Options', answer: 'Answer', client: 'ReportClient',
    ]

    /** In a script, since closures and a script's own objects can be made in one only. */
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
            answer: notifyemail.Answer.unavailable('own'),
            client: new notifyemail.ReportClient(foreignScript, new notifyemail.Options(hostileMap, foreignScript)),
        ]
        '''

    /** What the sandbox refuses of the Jenkinsfile's own arguments when the library runs them. */
    private static final List<String> REFUSED = [
        'method java.lang.Class getenv', 'staticMethod java.lang.System getenv', 'method java.net.URL getText',
    ]

    /** Of each class the objects whose methods are called, as a Jenkinsfile makes them. */
    private static final Map<String, List<String>> OBJECTS = [
        Answer       : ['pool.answer', "notifyemail.Answer.of('http://x', 202, '{\"id\": 1}')"],
        BuildError   : ['pool.error', 'notifyemail.BuildError.of(pool.failure)'],
        BuildNotifier: ['new notifyemail.BuildNotifier(foreignScript, hostileMap)', 'new notifyemail.BuildNotifier(this, hostileMap)',
                        "new notifyemail.BuildNotifier(this, [to: 'ada@example.com'])"],
        Options      : ['pool.options', "new notifyemail.Options([to: 'ada@example.com'], null)"],
        ReportClient : ['pool.client', 'new notifyemail.ReportClient(this, pool.options)',
                        "new notifyemail.ReportClient(this, new notifyemail.Options([transport: 'httpRequest'], foreignScript))"],
        ShellPost    : ["new notifyemail.ShellPost('http://x', 5, true)"],
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

    /** A controller with a trusted library and secrets, and a Jenkinsfile that has been given things to hand over. */
    private void prepare() {
        controller(trusted)
        store('notify-email-token', SECRET)
        controller.given.putAll(
            secret: SECRET, results: [], tripwire: new Tripwire(), foreignScript: new TripwireScript(),
            web: new URL("http://127.0.0.1:${web.address.port}/"), file: file.toURI().toURL(),
        )
    }

    /** Nothing was read that the sandbox refuses, and the controller's token has reported the running build only. */
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
    void 'no property name comes from a caller'() {
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
    void 'no object that a caller hands in stands for the script'() {
        ['[env: System]', '[currentBuild: tripwire]', 'System', 'web', 'tripwire', 'currentBuild'].each { object ->
            ['new notifyemail.Options([:], %s)', 'new notifyemail.BuildNotifier(%s, [:])',
             'new notifyemail.ReportClient(%s, new notifyemail.Options([:], this))', 'notifyemail.BuildReport.json(%s, [:], null)',
             'notifyemail.RunningBuild.env(%s)', 'notifyemail.RunningBuild.currentBuild(%s)'].each { expression ->
                prepare()
                assert failure('return ' + String.format(expression, object)) instanceof GroovyRuntimeException
                nothingLeaked()
            }
        }
    }

    @Test
    void 'no field takes an object of another kind'() {
        ['new notifyemail.Options([:], this).@script', 'new notifyemail.BuildNotifier(this, [:]).@script',
         'new notifyemail.BuildNotifier(this, [:]).@options', 'new notifyemail.ReportClient(this, null).@script',
         'new notifyemail.ReportClient(this, null).@options', "notifyemail.BuildError.of(new Exception('own')).@message",
         'notifyemail.ReportClient.@RESPONSE'].each { field ->
            ['tripwire', '[currentBuild: tripwire]', 'System'].each { object ->
                prepare()
                assert failure("${field} = ${object}") instanceof Exception
                nothingLeaked()
            }
        }
    }

    @Test
    void 'no class of the library has a subclass that answers in its place'() {
        ['Options', 'ReportClient', 'Answer', 'BuildError', 'BuildNotifier'].each { name ->
            prepare()
            assert failure("class Evil extends notifyemail.${name} { }; return 1").message.contains('final class')
        }
    }

    @Test
    void 'a script of somebody else is asked for nothing but steps'() {
        ['new notifyemail.Options([:], foreignScript).mail()', 'new notifyemail.Options([:], foreignScript).url',
         'notifyemail.BuildReport.json(foreignScript, [:], null)', 'notifyemail.BuildReport.changes(foreignScript, 9, 9)',
         'new notifyemail.BuildNotifier(foreignScript, [:]).report()', 'notifyemail.RunningBuild.env(foreignScript).JOB_NAME',
         'new notifyemail.BuildNotifier(foreignScript, [transport: "httpRequest"]).report()'].each { expression ->
            prepare()
            nothingLeaked(controller.run("return ${expression}"))
        }
    }

    @Test
    void 'a step of the Jenkinsfile own gives nothing that is looked into'() {
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
    void 'a report is of the running build, whatever the caller says'() {
        prepare()
        controller.run('''
            Map lies = [schema: 1, build: [job: 'other/job', number: 1, result: 'SUCCESS'], job: 'other/job', number: 1]
            notifyemail.ControllerPost.send(lies, null)
            notifyemail.ControllerPost.send([to: 'ada@example.com', build: lies], new notifyemail.BuildError('x', 'y', 'SUCCESS'))
            notifyEmail(data: lies)''')
        assert service.reports.size() == 3
        assert service.reports*.build*.result == ['FAILURE'] * 3
        nothingLeaked()
        assert failure("notifyemail.ControllerPost.send('{\"build\": {\"job\": \"other/job\"}}')") instanceof MissingMethodException
    }

    @Test
    void 'what is handed over as an argument is its text'() {
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
    void 'of an error there are the class name and the message'() {
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
            controller.sandbox.pending.clear() // the Jenkinsfile's own doing
        }
    }

    /** Classes that a Jenkinsfile may write: each answers with whatever it was given, from methods that Java and Groovy call. */
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
    void 'an object of a class of the Jenkinsfile leads to no other object'() {
        ['notifyemail.Answer.detail([errors: [tripwire]])', 'notifyemail.Answer.detail(new Changing())',
         "notifyemail.Answer.accepted('http://x', new Changing())",
         'notifyemail.BuildError.of(new Liar()).type', 'notifyemail.BuildError.of(new SlowLiar()).type',
         'notifyemail.BuildError.isInterruption(new Liar())',
         'notifyemail.Texts.reason(new Liar())', 'notifyemail.Texts.typeOf(new Liar())',
         'notifyemail.Answer.indescribable(new Liar())',
         'notifyemail.Options.address(new Liar())',
         'notifyemail.Texts.plain(new FakeMap())', 'notifyemail.Texts.plain(new FakeMap().withDefault { 1 })',
         'notifyemail.Texts.plain(Collections.unmodifiableList([new FakeMap()]))', 'notifyemail.Texts.copiedMap(new FakeMap(), 0)',
         'notifyemail.Options.checked(new FakeMap())', 'notifyEmail(new FakeMap())', 'notifyEmail(data: new FakeMap())',
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
         'new notifyemail.ReportClient(this, options).post([data: Collections.unmodifiableList(new SlowList())], null)',
         'new notifyemail.ReportClient(this, options).post(new SlowMap(), null)',
        ].each { expression ->
            prepare()
            Object given
            try {
                given = controller.run("${LIARS}; Object options = new notifyemail.Options([:], this); return ${expression}")
            } catch (Throwable e) {
                given = e
            }
            assert controller.leaks == [] : expression
            assert given instanceof Throwable || !isSecret(given, []) : expression
            controller.sandbox.pending.clear() // the Jenkinsfile's own doing
            nothingLeaked()
        }
    }

    @Test
    void 'an answer of a step that lies about its class leads to no other object'() {
        prepare()
        controller.run("${LIARS}; Object httpRequest(Map request) { return new Liar() }; " +
            "new notifyemail.BuildNotifier(this, [transport: 'httpRequest']).report()")
        nothingLeaked()
    }

    @Test
    void 'a closure that a step is given does nothing to an object of the Jenkinsfile'() {
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
     * A closure's class is one of the library, too: a Jenkinsfile could make an object of it, and call that with
     * any other object. In the CPS code closures are no classes.
     */
    @Test
    void 'no closure is a class of the library'() {
        prepare()
        controller.run('notifyEmail()')
        List<String> loaded = controller.@libraryLoader.loadedClasses*.name
        assert 'notifyemail.ControllerPost' in loaded
        assert loaded.findAll { name -> name.startsWith('notifyemail.') && name.contains('$') } == []
    }

    /** A service that does not read would else hold the controller's thread, and no timeout ends that. */
    @Test
    void 'no report is sent that is larger than the service reads'() {
        prepare()
        controller.given.large = 'x' * 65000
        Map result = controller.run('''
            List texts = []
            for (int i = 0; i < 20; i++) {
                texts.add(large)
            }
            return notifyEmail(data: [texts: texts])''')
        assert result.state == 'refused'
        assert result.error.contains('the service takes 1048576 at most')
        assert service.requests == []
    }

    @Test
    void 'what the library compares with can not be changed'() {
        prepare()
        failure('Collections.reverse(notifyemail.BuildReport.RESULTS)')
        failure("notifyemail.BuildReport.RESULTS.add(0, 'FAILURE')")
        failure('notifyemail.Options.KNOWN.put("x", "text")')
        failure('notifyemail.Options.TRANSPORTS.add("x")')
        controller.sandbox.pending.clear()
        controller.run("notifyemail.ControllerPost.send([:], new notifyemail.BuildError('x', 'y', 'SUCCESS'))")
        assert service.reports*.build*.result == ['FAILURE']
    }

    @Test
    void 'every constructor and method, with whatever a Jenkinsfile has'() {
        int calls = 0
        Set<String> covered = []
        prepare()
        List<String> names = new File('src/notifyemail').list().collect { name -> "notifyemail.${name - '.groovy'}".toString() }
        (['notifyEmail'] + names).each { name ->
            Class type = controller.@libraryLoader.loadClass(name)
            calls += callEverything(type)
            covered << type.simpleName
        }
        assert covered.size() > 8
        assert calls > 1500
    }

    /** Calls all of one class from one Pipeline, and gives how many calls that were. */
    private int callEverything(Class type) {
        List<String> actions = []
        List<List> plan = []
        type.declaredConstructors.findAll { made -> !made.synthetic }.each { made ->
            plan.addAll(combinations(made.parameterTypes).collect { names -> [actions.size(), names] })
            actions << action("new ${type.name}(%s)", made.parameterTypes)
        }
        type.declaredMethods.findAll { method -> !method.synthetic && !isGroovys(type, method.name) }.each { method ->
            List<String> receivers = Modifier.isStatic(method.modifiers) ? [type.name] : OBJECTS[type.simpleName]
            assert receivers : "OBJECTS has none to call ${type.simpleName}.${method.name} on"
            receivers.each { receiver ->
                plan.addAll(combinations(method.parameterTypes).collect { names -> [actions.size(), names] })
                actions << action("(${receiver}).${method.name}(%s)", method.parameterTypes)
            }
        }
        prepare()
        controller.steps.instead.sh = { '\n000 7' }
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
            assert !isSecret(result[1], []) : "${actions[result[0][0]]} with ${result[0][1]} gave ${result[1]}"
        }
        controller.sandbox.pending.removeAll { signature -> signature in REFUSED }
        assert controller.sandbox.pending == []
        nothingLeaked()
        return plan.size()
    }

    private static boolean isGroovys(Class type, String method) {
        return method.contains('$') || method.startsWith('___') || Script.isAssignableFrom(type) && method in ['main', 'run'] ||
            method in ['getMetaClass', 'setMetaClass', 'invokeMethod', 'getProperty', 'setProperty']
    }

    private static String action(String call, Class... parameters) {
        return '{ a -> ' + String.format(call, (0..<parameters.length).collect { index -> "a[${index}]" }.join(', ')) + ' }'
    }

    /** Each argument that fits each parameter, at least once with each kind of the others; of many, every so-manieth. */
    private static List<List<String>> combinations(Class... parameters) {
        List<List<String>> fitting = parameters.collect { parameter ->
            Class wanted = parameter.primitive ? [boolean: Boolean, int: Integer][parameter.name] : parameter
            ARGUMENTS.findAll { name, type ->
                boolean fits = type instanceof Class ? wanted.isAssignableFrom(type) : wanted.simpleName in [type, 'Object']
                type == null ? !parameter.primitive : fits
            }.keySet() as List
        }
        List<List<String>> all = fitting ? fitting.combinations() : [[]]
        int step = Math.max(1, all.size().intdiv(200))
        return (0..<all.size()).step(step % 2 ? step : step + 1).collect { index -> all[index] }
    }

}
