package harness

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import hudson.model.User
import hudson.plugins.git.GitChangeSet
import jenkins.plugins.http_request.ResponseContentSupplier
import org.codehaus.groovy.reflection.CachedMethod
import org.codehaus.groovy.runtime.GStringImpl
import org.codehaus.groovy.runtime.InvokerHelper
import org.codehaus.groovy.runtime.ScriptBytecodeAdapter
import org.jenkinsci.plugins.workflow.cps.EnvActionImpl
import org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper
import org.kohsuke.groovy.sandbox.GroovyInterceptor
import org.kohsuke.groovy.sandbox.impl.Checker

/**
 * The Pipeline sandbox: it refuses everything that Allowed does not list, as script-security does.
 *
 * Every refusal is kept in `pending`, even if the caller catches the exception: on a real controller the
 * signature would wait for the administrator's approval.
 */
class Sandbox extends GroovyInterceptor {

    /** Signatures that a real controller would list as pending script approvals. */
    final List<String> pending = []

    private final ClassLoader scripts

    Sandbox(ClassLoader scripts) {
        this.scripts = scripts
    }

    @Override
    Object onMethodCall(GroovyInterceptor.Invoker invoker, Object receiver, String method, Object... args) {
        requireMethod(receiver, method, args)
        return super.onMethodCall(invoker, receiver, method, args)
    }

    @Override
    Object onStaticCall(GroovyInterceptor.Invoker invoker, Class receiver, String method, Object... args) {
        boolean json = receiver == JsonOutput && method == 'toJson' && args.length == 1 && args[0] instanceof Map
        boolean operator = receiver == Checker || (receiver == ScriptBytecodeAdapter && method in Allowed.OPERATORS)
        if (json || operator || method in Allowed.STATIC[receiver] || isOurs(receiver)) {
            return super.onStaticCall(invoker, receiver, method, args)
        }
        throw refused("staticMethod ${receiver.name} ${method}")
    }

    @Override
    Object onNewInstance(GroovyInterceptor.Invoker invoker, Class receiver, Object... args) {
        boolean plain = receiver in [Object, Exception, GStringImpl, PipelineScript, JsonSlurper, Date, ArrayList, LinkedHashMap, HashMap,
                                      URL]
        if (plain || isOurs(receiver)) {
            return super.onNewInstance(invoker, receiver, args)
        }
        throw refused("new ${receiver.name}")
    }

    @Override
    Object onGetProperty(GroovyInterceptor.Invoker invoker, Object receiver, String property) {
        if (receiver instanceof CharSequence && !receiver.hasProperty(property)) {
            // Not a refusal: there is nothing to approve.
            throw new MissingPropertyException("No such field found: field ${receiver.getClass().name} ${property}")
        }
        if (isReadable(receiver, property)) {
            return super.onGetProperty(invoker, receiver, property)
        }
        throw refused("field or getter ${receiver.getClass().name} ${property}")
    }

    @Override
    Object onSetProperty(GroovyInterceptor.Invoker invoker, Object receiver, String property, Object value) {
        boolean build = receiver instanceof RunWrapper && property in ['result', 'description', 'displayName']
        if (isOurs(receiver) || receiver instanceof Map || receiver instanceof Script || build) {
            return super.onSetProperty(invoker, receiver, property, value)
        }
        throw refused("setter ${receiver.getClass().name} ${property}")
    }

    @Override
    Object onGetAttribute(GroovyInterceptor.Invoker invoker, Object receiver, String attribute) {
        if (isOurs(receiver)) {
            return super.onGetAttribute(invoker, receiver, attribute)
        }
        throw refused("field ${receiver.getClass().name} ${attribute}")
    }

    @Override
    Object onSetAttribute(GroovyInterceptor.Invoker invoker, Object receiver, String attribute, Object value) {
        if (isOurs(receiver)) {
            return super.onSetAttribute(invoker, receiver, attribute, value)
        }
        throw refused("field ${receiver.getClass().name} ${attribute}")
    }

    @Override
    Object onGetArray(GroovyInterceptor.Invoker invoker, Object receiver, Object index) {
        if (!receiver.getClass().array) {
            requireMethod(receiver, 'getAt', index)
        }
        return super.onGetArray(invoker, receiver, index)
    }

    @Override
    Object onSetArray(GroovyInterceptor.Invoker invoker, Object receiver, Object index, Object value) {
        if (!receiver.getClass().array) {
            requireMethod(receiver, 'putAt', index, value)
        }
        return super.onSetArray(invoker, receiver, index, value)
    }

    private void requireMethod(Object receiver, String method, Object... args) {
        if (!isAllowed(receiver, method, args)) {
            throw refused("method ${receiver.getClass().name} ${method}")
        }
    }

    private boolean isAllowed(Object receiver, String method, Object[] args) {
        if (receiver instanceof Script || receiver instanceof Blocks || isOurs(receiver)) {
            return true
        }
        if (receiver instanceof RunWrapper || receiver instanceof RecordedBuild || isOfChange(receiver)) {
            return method in Allowed.METHODS[Object] || method.startsWith('get') &&
                isReadable(receiver, method[3].toLowerCase() + method.substring(4))
        }
        // A GString passes methods that it does not have on to String.
        Object target = receiver instanceof GString ? receiver.toString() : receiver
        MetaMethod chosen = InvokerHelper.getMetaClass(target).pickMethod(method, args.collect { arg -> arg?.getClass() } as Class[])
        boolean added = chosen != null && !(chosen instanceof CachedMethod) && isListed(Allowed.ADDED, target, method)
        return added || isListed(Allowed.METHODS, target, method)
    }

    private static boolean isListed(Map<Class, List<String>> allowed, Object receiver, String method) {
        return allowed.any { type, names -> type.isInstance(receiver) && method in names }
    }

    private boolean isReadable(Object receiver, String property) {
        if (receiver instanceof RunWrapper || receiver instanceof RecordedBuild) {
            return property in Allowed.BUILD
        }
        if (isOfChange(receiver)) {
            return property in Allowed.CHANGE
        }
        boolean open = receiver instanceof Map || receiver instanceof Script || receiver instanceof EnvActionImpl ||
            receiver instanceof ResponseContentSupplier || isOurs(receiver)
        return open || ['get', 'is'].any { prefix ->
            isListed(Allowed.METHODS, receiver, prefix + property.capitalize())
        }
    }

    private static boolean isOfChange(Object receiver) {
        return receiver instanceof RecordedChange || receiver instanceof GitChangeSet || receiver instanceof User
    }

    /** Return whether an object's class is compiled from sandboxed code or a library: both may be called. */
    private static boolean isOurs(Object receiver) {
        ClassLoader loader = (receiver instanceof Class ? receiver : receiver.getClass()).classLoader
        return loader instanceof GroovyClassLoader || loader instanceof GroovyClassLoader.InnerLoader
    }

    private RejectedAccessException refused(String signature) {
        pending << signature
        return new RejectedAccessException("Scripts not permitted to use ${signature}")
    }

}
