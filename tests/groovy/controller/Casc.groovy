package controller

import com.cloudbees.plugins.credentials.CredentialsScope
import com.cloudbees.plugins.credentials.SystemCredentialsProvider
import com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl
import groovy.json.JsonSlurper
import hudson.PluginManager
import hudson.plugins.emailext.ExtendedEmailPublisher
import hudson.plugins.emailext.MailAccount
import hudson.slaves.EnvironmentVariablesNodeProperty
import hudson.tasks.Mailer
import jenkins.model.Jenkins
import jenkins.model.JenkinsLocationConfiguration
import jenkins.plugins.git.GitSCMSource
import org.jenkinsci.plugins.workflow.libs.GlobalLibraries
import org.jenkinsci.plugins.workflow.libs.LibraryCachingConfiguration
import org.jenkinsci.plugins.workflow.libs.LibraryConfiguration
import org.jenkinsci.plugins.workflow.libs.SCMSourceRetriever

/**
 * Configures the stand-in as JCasC does a controller: names that it doesn't know are refused, lists are
 * replaced whole, and what is not named stays as it is. Its file is YAML of the kind that JSON is, too.
 */
class Casc {

    static File file

    void apply(File source) {
        Map root = resolved(new JsonSlurper().parse(source)) as Map
        section(root, 'unclassified', 'jenkins', 'credentials')
        List known = ['mailer', 'location', 'globalLibraries', 'email-ext'] - PluginManager.absent
        Map unclassified = section(root.unclassified, *known)
        set(Mailer.descriptor(), section(unclassified.mailer, 'smtpHost', 'smtpPort', 'charset', 'defaultSuffix',
            'replyToAddress', 'useSsl', 'useTls'))
        set(JenkinsLocationConfiguration.get(), section(unclassified.location, 'adminAddress', 'url'))
        Map extended = section(unclassified['email-ext'], 'mailAccount')
        if (extended) {
            MailAccount account = new MailAccount()
            set(account, section(extended.mailAccount, 'smtpHost', 'smtpPort', 'useSsl', 'useTls', 'credentialsId'))
            ExtendedEmailPublisher.descriptor().mailAccount = account
        }
        List libraries = section(unclassified.globalLibraries, 'libraries').libraries
        if (libraries != null) {
            GlobalLibraries.get().libraries = libraries.collect { described -> library(described) }
        }
        variables(section(root.jenkins, 'globalNodeProperties').globalNodeProperties)
        credentials(section(section(root.credentials, 'system').system, 'domainCredentials').domainCredentials)
    }

    private static LibraryConfiguration library(Map described) {
        section(described, 'name', 'defaultVersion', 'implicit', 'allowVersionOverride', 'includeInChangesets',
            'cachingConfiguration', 'retriever')
        Map git = described.retriever.modernSCM.scm.git
        section(git, 'remote', 'credentialsId')
        GitSCMSource source = new GitSCMSource(git.remote)
        source.credentialsId = git.credentialsId
        LibraryConfiguration made = new LibraryConfiguration(described.name, new SCMSourceRetriever(source))
        set(made, described.findAll { name, value -> !(name in ['name', 'cachingConfiguration', 'retriever']) })
        if (described.cachingConfiguration) {
            section(described.cachingConfiguration, 'refreshTimeMinutes')
            made.cachingConfiguration = new LibraryCachingConfiguration(described.cachingConfiguration.refreshTimeMinutes, '')
        }
        return made
    }

    private static void variables(List properties) {
        if (properties != null) {
            Jenkins.get().globalNodeProperties.clear()
            properties.each { property ->
                Jenkins.get().globalNodeProperties.add(new EnvironmentVariablesNodeProperty(
                    section(section(property, 'envVars').envVars, 'env').env.collect { one ->
                        new EnvironmentVariablesNodeProperty.Entry(one.key, one.value)
                    }))
            }
        }
    }

    private static void credentials(List domains) {
        List described = domains?.collectMany { domain -> domain.credentials }
        if (described) {
            SystemCredentialsProvider.instance.credentials.clear()
            described.each { one ->
                Map pair = section(section(one, 'usernamePassword').usernamePassword, 'scope', 'id', 'description',
                    'username', 'password')
                SystemCredentialsProvider.instance.credentials << new UsernamePasswordCredentialsImpl(
                    pair.scope as CredentialsScope, pair.id, pair.description, pair.username, pair.password)
            }
            SystemCredentialsProvider.instance.save()
        }
    }

    private static Map section(Map given, String... known) {
        Set unknown = (given ?: [:]).keySet() - (known as Set)
        if (unknown) {
            throw new IllegalArgumentException("Invalid configuration elements: ${unknown.join(', ')}")
        }
        return given ?: [:]
    }

    private static void set(Object target, Map values) {
        values.each { name, value -> target."$name" = value }
    }

    /** `${NAME}`, `${readFile:/a/path}`; a `^` before it says that it is meant as it stands. */
    private Object resolved(Object value) {
        if (value instanceof Map) {
            return value.collectEntries { name, one -> [name, resolved(one)] }
        }
        if (value instanceof List) {
            return value.collect { one -> resolved(one) }
        }
        if (!(value instanceof String)) {
            return value
        }
        return value.replaceAll(/(\^?)\$\{([^}]+)\}/) { whole, escape, name ->
            if (escape) {
                return whole.substring(1)
            }
            return name.startsWith('readFile:') ? new File(name - 'readFile:').text : System.getenv(name) ?: ''
        }
    }

}
