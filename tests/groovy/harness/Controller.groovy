package harness

import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.Continuation
import com.cloudbees.groovy.cps.CpsTransformer
import com.cloudbees.groovy.cps.NonCPS
import com.cloudbees.groovy.cps.ObjectInputStreamWithLoader
import com.cloudbees.groovy.cps.Outcome
import com.cloudbees.groovy.cps.SandboxCpsTransformer
import com.cloudbees.groovy.cps.impl.FunctionCallEnv
import com.cloudbees.groovy.cps.sandbox.SandboxInvoker
import hudson.AbortException
import jenkins.model.Jenkins
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.jenkinsci.plugins.workflow.job.WorkflowRun

/**
 * Runs a Pipeline with this library as a controller does: with the real CPS transformer and the sandbox. After
 * each step the program is saved and loaded, as at a restart.
 */
class Controller {

    static Controller current

    /** The compiled libraries by folder and trust: compiling takes most of a test's time. */
    private static final Map<List, GroovyClassLoader> LIBRARIES = [:].withDefault { key -> load(key[0], key[1]) }

    final Recording build
    final boolean trusted
    final Sandbox sandbox
    final Steps steps
    /** The build's log. */
    final List<String> log = []
    /** The steps that ran; a block counts once. */
    final List<String> ran = []
    /** The blocks around the running step, the outermost first: name and variables. */
    final List<Map> blocks = []
    Map<String, String> variables = [:]
    /** The build itself, which the sandbox hides. */
    final WorkflowRun run = new WorkflowRun()
    /** Name → object, for the Jenkinsfile to use. */
    final Map<String, Object> given = [:]
    /** Reads that the sandbox would have refused, which the library made for the Jenkinsfile. */
    final List<String> leaks = []

    /** Steps that return at once. Jenkins saves the program at the others only. */
    private static final List<String> SYNCHRONOUS = ['echo', 'error']

    /** The program that was saved last, and the outcome of its step. */
    private byte[] saved
    private Outcome savedOutcome

    private final GroovyClassLoader scriptLoader
    private final GroovyClassLoader libraryLoader
    private final Blocks blockRunner

    /** @param trusted whether the library is a global trusted one; the Jenkinsfile is always sandboxed */
    Controller(Recording build, boolean trusted, File library = new File('.')) {
        current = this
        this.build = build
        this.trusted = trusted
        Jenkins.globalVariables = [:]
        Jenkins.credentials = []
        libraryLoader = LIBRARIES[[library.absolutePath, trusted]]
        // On a controller each build loads the library itself, and so has a count of its own.
        Class gate = libraryLoader.loadClass('notifyemail.inside.OwnBuild')
        gate.REPORTS_LEFT.drainPermits()
        gate.REPORTS_LEFT.release(gate.MAX_REPORTS)
        scriptLoader = new GroovyClassLoader(libraryLoader, configuration(new SandboxCpsTransformer()))
        blockRunner = libraryLoader.loadClass('BlockRunner').newInstance() as Blocks
        sandbox = new Sandbox(scriptLoader)
        steps = new Steps(this)
    }

    /** Compile the library. The block steps are compiled apart from it, since they are not sandboxed. */
    private static GroovyClassLoader load(String library, boolean trusted) {
        GroovyClassLoader blocks = new GroovyClassLoader(Controller.classLoader, configuration(new CpsTransformer()))
        blocks.parseClass('''
            class BlockRunner implements harness.Blocks {
                Object around(Object begin, Object end, Object body) {
                    com.cloudbees.groovy.cps.Continuable.suspend(begin)
                    try {
                        return body.call()
                    } finally {
                        com.cloudbees.groovy.cps.Continuable.suspend(end)
                    }
                }
            }''', 'BlockRunner.groovy')
        CpsTransformer transformer = trusted ? new CpsTransformer() : new SandboxCpsTransformer()
        GroovyClassLoader loader = new GroovyClassLoader(blocks, configuration(transformer))
        loader.addClasspath(new File(library, 'src').absolutePath)
        loader.parseClass(new File(library, 'vars/notifyEmail.groovy'))
        return loader
    }

    /**
     * Run a scripted Pipeline to its end.
     *
     * @return the script's value
     * @throws Throwable the script's exception
     */
    Object run(String pipeline) {
        Script script = scriptLoader.parseClass(pipeline, 'WorkflowScript.groovy').newInstance() as Script
        FunctionCallEnv env = new FunctionCallEnv(null, Continuation.HALT, null, null)
        env.invoker = new SandboxInvoker()
        return sandboxed { proceed(new Continuable(script, env), new Outcome(null, null)) }
    }

    /** Run again from the program that was saved last, as a controller does after it was killed. */
    Object runAgainFromLastSave() {
        return sandboxed { proceed(read(saved), savedOutcome) }
    }

    private Object sandboxed(Closure run) {
        sandbox.register()
        try {
            return run()
        } finally {
            sandbox.unregister()
        }
    }

    private Object proceed(Continuable begun, Outcome first) {
        Continuable program = begun
        Outcome next = first
        while (true) {
            Outcome outcome = program.run0(next, Continuable.categories)
            if (!program.resumable) {
                return outcome.replay()
            }
            StepCall step = outcome.replay() as StepCall
            next = executed(step)
            if (!(step.name in SYNCHRONOUS)) {
                try {
                    saved = written(program)
                    savedOutcome = next
                    program = read(saved)
                } catch (NotSerializableException e) {
                    next = new Outcome(null, e) // as on Jenkins: the step has run, and the program gets this exception
                }
            }
        }
    }

    /** Call a name that the script does not define: the library's variable, or a step. */
    Object call(String name, Object[] args) {
        if (name == 'notifyEmail') {
            Script variable = libraryLoader.loadClass('notifyEmail').newInstance() as Script
            return variable.metaClass.invokeMethod(variable, 'call', args)
        }
        if (!steps.has(name)) {
            throw new NoSuchMethodError("No such DSL method '${name}' found among steps [echo, error, mail, sh, and many more]")
        }
        List list = args as List
        if (list && list.last() instanceof Closure) {
            List arguments = list.take(list.size() - 1)
            return blockRunner.around(new StepCall(name, arguments, 'begin'), new StepCall(name, arguments, 'end'), list.last())
        }
        return Continuable.suspend(new StepCall(name, list))
    }

    String environment(String name) {
        Map around = blocks.reverse().find { block -> block.variables.containsKey(name) }
        if (around) {
            return around.variables[name]
        }
        return Jenkins.globalVariables[name] ?: variables[name]
    }

    private Outcome executed(StepCall step) {
        if (step.part != 'end') {
            ran << step.name
        }
        try {
            return new Outcome(steps.run(step), null)
        } catch (Throwable e) {
            return new Outcome(null, e)
        }
    }

    private static byte[] written(Continuable program) {
        ByteArrayOutputStream stored = new ByteArrayOutputStream()
        new ObjectOutputStream(stored).withStream { out -> out.writeObject(program) }
        return stored.toByteArray()
    }

    private Continuable read(byte[] stored) {
        return new ObjectInputStreamWithLoader(new ByteArrayInputStream(stored), scriptLoader)
            .withStream { source -> source.readObject() } as Continuable
    }

    private static CompilerConfiguration configuration(CpsTransformer transformer) {
        CompilerConfiguration configuration = new CompilerConfiguration()
        configuration.addCompilationCustomizers(new ImportCustomizer().addImports(NonCPS.name), transformer)
        configuration.scriptBaseClass = PipelineScript.name
        configuration.sourceEncoding = 'UTF-8'
        return configuration
    }

    static void abort(String message) throws AbortException {
        throw new AbortException(message)
    }

}
