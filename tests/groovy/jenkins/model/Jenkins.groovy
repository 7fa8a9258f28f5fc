package jenkins.model

import com.cloudbees.plugins.credentials.SystemCredentialsProvider
import controller.Home
import harness.Controller
import hudson.PluginManager
import hudson.slaves.EnvironmentVariablesNodeProperty
import hudson.util.DescribableList

/** Stands in for the controller itself. */
class Jenkins {

    private static Jenkins instance

    final DescribableList globalNodeProperties = new DescribableList(this)
    final PluginManager pluginManager = new PluginManager()

    Jenkins() {
        Home.load('config')?.each { variables -> globalNodeProperties.add(property(variables)) }
    }

    static Jenkins get() {
        instance = instance ?: new Jenkins()
        return instance
    }

    /** As a new process would find it. */
    static void forget() {
        instance = null
    }

    /** Null on a controller that has no Jenkins URL. */
    String getRootUrl() {
        return (Controller.current.build.url =~ '^https?://[^/]+/').collect { match -> match }[0]
    }

    File getRootDir() {
        return Home.folder
    }

    void save() {
        Home.save('config', globalNodeProperties*.envVars)
    }

    // What follows is no part of Jenkins: the tests of the library set variables and credentials by it.

    static Map<String, String> getGlobalVariables() {
        if (get().globalNodeProperties.empty) {
            setGlobalVariables([:])
        }
        return get().globalNodeProperties[0].envVars
    }

    static void setGlobalVariables(Map<String, String> variables) {
        get().globalNodeProperties.clear()
        get().globalNodeProperties.add(property(variables))
    }

    static List getCredentials() {
        return SystemCredentialsProvider.instance.credentials
    }

    static void setCredentials(List credentials) {
        SystemCredentialsProvider.instance.credentials.clear()
        SystemCredentialsProvider.instance.credentials.addAll(credentials)
    }

    private static EnvironmentVariablesNodeProperty property(Map<String, String> variables) {
        return new EnvironmentVariablesNodeProperty(variables.collect { name, value ->
            new EnvironmentVariablesNodeProperty.Entry(name, value)
        })
    }

}
