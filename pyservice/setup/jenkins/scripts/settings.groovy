import groovy.json.JsonOutput
import jenkins.model.Jenkins
import jenkins.model.JenkinsLocationConfiguration
import hudson.slaves.EnvironmentVariablesNodeProperty

// Jenkins' settings as a map of sections, the same for reading and for writing; a section is null where its
// plugin is not installed. `asked.library` and `asked.credential` are the names of those to look for.

/** A plugin's class; null: it is not installed. A script that imported it would not even compile. */
Class type(String name) {
    try {
        return Jenkins.get().pluginManager.uberClassLoader.loadClass(name)
    } catch (ClassNotFoundException ignored) {
        // Not installed.
    }
    return null
}

Object mailer() {
    return type('hudson.tasks.Mailer')?.descriptor()
}

Object emailExt() {
    return type('hudson.plugins.emailext.ExtendedEmailPublisher')?.descriptor()
}

Object libraries() {
    return type('org.jenkinsci.plugins.workflow.libs.GlobalLibraries')?.get()
}

Object library() {
    return libraries()?.libraries?.find { one -> one.name == asked.library }
}

/** As the library's own look-up: whatever provider has it, SYSTEM scope included. */
Object credential() {
    return type('com.cloudbees.plugins.credentials.CredentialsProvider')?.lookupCredentialsInItemGroup(
        type('com.cloudbees.plugins.credentials.common.StandardCredentials'), Jenkins.get(),
        type('hudson.security.ACL').SYSTEM2, [])?.find { one -> one.id == asked.credential }
}

List variables() {
    return Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty)
}

/** Only whether a secret is the wanted one leaves Jenkins. */
String digest(Object credential) {
    String kind = ['password', 'secret'].find { name -> credential.hasProperty(name) }
    byte[] secret = kind ? credential[kind].plainText.trim().getBytes('UTF-8') : new byte[0]
    return java.security.MessageDigest.getInstance('SHA-256').digest(secret).encodeHex()
}

Map settings() {
    Object mailer = mailer()
    Object account = emailExt()?.mailAccount
    Object library = library()
    Object credential = credential()
    Object location = JenkinsLocationConfiguration.get()
    return [
        mailer    : mailer == null ? null : [
            smtpHost: mailer.smtpHost, smtpPort: mailer.smtpPort, useSsl: mailer.useSsl, useTls: mailer.useTls,
            charset: mailer.charset, replyToAddress: mailer.replyToAddress, defaultSuffix: mailer.defaultSuffix,
        ],
        location  : [adminAddress: location.adminAddress, url: location.url],
        emailExt  : account == null ? null : [
            smtpHost: account.smtpHost, smtpPort: account.smtpPort, useSsl: account.useSsl, useTls: account.useTls,
        ],
        variables : variables()*.envVars.inject([:]) { all, some -> all + some }.findAll { name, value ->
            name.startsWith('NOTIFY_EMAIL_')
        },
        library   : libraries() == null ? null : library == null ? [:] : [
            remote: remote(library), credentialsId: remote(library) ? library.retriever.scm.credentialsId : null,
            defaultVersion: library.defaultVersion, implicit: library.implicit,
            allowVersionOverride: library.allowVersionOverride, includeInChangesets: library.includeInChangesets,
            refreshTimeMinutes: library.cachingConfiguration?.refreshTimeMinutes,
        ],
        credential: type('com.cloudbees.plugins.credentials.SystemCredentialsProvider') == null ? null :
            credential == null ? [:] : [isWanted: digest(credential) == asked.digest],
    ]
}

/** Null: it comes from something else than a Git repository. */
String remote(Object library) {
    Object scm = library.retriever.hasProperty('scm') ? library.retriever.scm : null
    return scm?.getClass()?.name == 'jenkins.plugins.git.GitSCMSource' ? scm.remote : null
}

/** One line, of ASCII: what reads it looks for the last one. */
void tell(Map answer) {
    println(JsonOutput.toJson(answer))
}
