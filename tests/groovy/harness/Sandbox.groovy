package harness

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.runtime.GStringImpl
import org.codehaus.groovy.runtime.ScriptBytecodeAdapter
import org.kohsuke.groovy.sandbox.GroovyInterceptor
import org.kohsuke.groovy.sandbox.impl.Checker

/**
 * The Pipeline sandbox: an allow-list as measured on a real controller.
 *
 * What is refused is written to `pending`, also when the caller catches the exception: on a real
 * controller it would wait for the administrator's approval.
 */
class Sandbox extends GroovyInterceptor {

    /** Signatures that a real controller would list as pending script approvals. */
    final List<String> pending = []

    private final ClassLoader scripts

    private static final Set<String> BUILD = [
        'currentResult', 'result', 'absoluteUrl', 'number', 'displayName', 'fullDisplayName', 'fullProjectName',
        'description', 'duration', 'durationString', 'startTimeInMillis', 'buildVariables', 'upstreamBuilds',
        'previousBuild', 'previousCompletedBuild', 'previousSuccessfulBuild', 'buildCauses', 'changeSets',
    ] as Set
    private static final Set<String> CHANGE = [
        'items', 'commitId', 'msg', 'timestamp', 'author', 'affectedPaths', 'fullName', 'id',
    ] as Set
    private static final List<Class> PLAIN = [
        CharSequence, Number, Boolean, Map, Collection, Iterator, Map.Entry, Closure, Object[], Range,
    ]

    Sandbox(ClassLoader scripts) {
        this.scripts = scripts
    }

    @Override
    Object onMethodCall(GroovyInterceptor.Invoker invoker, Object receiver, String method, Object... args) {
        if (isAllowed(receiver, method)) {
            return super.onMethodCall(invoker, receiver, method, args)
        }
        throw refused("method ${receiver.getClass().name} ${method}")
    }

    @Override
    Object onStaticCall(GroovyInterceptor.Invoker invoker, Class receiver, String method, Object... args) {
        boolean json = receiver == JsonOutput && method == 'toJson' && args.length == 1 && args[0] instanceof Map
        boolean known = receiver in [System, UUID, URLEncoder, Math, Integer, Long, String, Boolean] &&
            method in ['currentTimeMillis', 'randomUUID', 'encode', 'min', 'max', 'valueOf', 'parseInt']
        boolean operator = receiver in [ScriptBytecodeAdapter, Checker]
        if (json || known || operator || isOurs(receiver)) {
            return super.onStaticCall(invoker, receiver, method, args)
        }
        throw refused("staticMethod ${receiver.name} ${method}")
    }

    @Override
    Object onNewInstance(GroovyInterceptor.Invoker invoker, Class receiver, Object... args) {
        boolean exception = Exception.isAssignableFrom(receiver) && receiver.name.startsWith('java.lang.')
        boolean plain = receiver in [Object, GStringImpl, PipelineScript, JsonSlurper, Date, ArrayList, LinkedHashMap, HashMap]
        if (plain || isOurs(receiver) || exception) {
            return super.onNewInstance(invoker, receiver, args)
        }
        throw refused("new ${receiver.name}")
    }

    @Override
    Object onGetProperty(GroovyInterceptor.Invoker invoker, Object receiver, String property) {
        if (receiver instanceof CharSequence && !receiver.hasProperty(property)) {
            // Not a refusal: there is nothing to approve.
            throw new RejectedAccessException("No such field found: field ${receiver.getClass().name} ${property}")
        }
        if (isReadable(receiver, property)) {
            return super.onGetProperty(invoker, receiver, property)
        }
        throw refused("field or getter ${receiver.getClass().name} ${property}")
    }

    @Override
    Object onSetProperty(GroovyInterceptor.Invoker invoker, Object receiver, String property, Object value) {
        boolean build = receiver instanceof RecordedBuild && property in ['result', 'description', 'displayName']
        if (isOurs(receiver.getClass()) || receiver instanceof Map || receiver instanceof Script || build) {
            return super.onSetProperty(invoker, receiver, property, value)
        }
        throw refused("setter ${receiver.getClass().name} ${property}")
    }

    @Override
    Object onGetAttribute(GroovyInterceptor.Invoker invoker, Object receiver, String attribute) {
        if (isOurs(receiver.getClass())) {
            return super.onGetAttribute(invoker, receiver, attribute)
        }
        throw refused("field ${receiver.getClass().name} ${attribute}")
    }

    @Override
    Object onSetAttribute(GroovyInterceptor.Invoker invoker, Object receiver, String attribute, Object value) {
        if (isOurs(receiver.getClass())) {
            return super.onSetAttribute(invoker, receiver, attribute, value)
        }
        throw refused("field ${receiver.getClass().name} ${attribute}")
    }

    private boolean isAllowed(Object receiver, String method) {
        if (receiver instanceof Throwable) {
            return method in ['getMessage', 'getClass', 'toString', 'equals']
        }
        if (receiver instanceof Class) {
            return method == 'getName' || isOurs(receiver)
        }
        if (receiver instanceof RecordedBuild || receiver instanceof RecordedChange) {
            return method == 'toString' || method.startsWith('get') && isReadable(receiver, method[3].toLowerCase() + method.substring(4))
        }
        if (receiver instanceof JsonSlurper) {
            return method == 'parseText'
        }
        if (receiver instanceof Script || isOurs(receiver.getClass()) || receiver instanceof Blocks) {
            return true
        }
        return method == 'toString' || method != 'execute' && method != 'encodeBase64' && PLAIN.any { type -> type.isInstance(receiver) }
    }

    private boolean isReadable(Object receiver, String property) {
        if (receiver instanceof RecordedBuild) {
            return property in BUILD
        }
        if (receiver instanceof RecordedChange) {
            return property in CHANGE
        }
        if (receiver instanceof Throwable) {
            return property in ['message', 'class']
        }
        if (receiver instanceof Class) {
            return property == 'name' || isOurs(receiver)
        }
        return receiver instanceof Map || receiver instanceof Script || receiver instanceof Environment ||
            receiver instanceof Response || isOurs(receiver.getClass()) || PLAIN.any { type -> type.isInstance(receiver) }
    }

    /** Classes of the sandboxed code itself are its own affair; a trusted library's may be called, too. */
    private boolean isOurs(Class type) {
        ClassLoader loader = type.classLoader
        return loader instanceof GroovyClassLoader || loader instanceof GroovyClassLoader.InnerLoader
    }

    private RejectedAccessException refused(String signature) {
        pending << signature
        return new RejectedAccessException("Scripts not permitted to use ${signature}")
    }

}
