import groovy.json.JsonOutput
import jenkins.model.Jenkins
import jenkins.model.JenkinsLocationConfiguration
import hudson.slaves.EnvironmentVariablesNodeProperty

// Jenkins' settings as a map of sections, the same for reading and for writing; a section is null where its
// plugin is not installed. `input.library` and `input.credential` name the two that it reads.

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
    return libraries()?.libraries?.find { library -> library.name == input.library }
}

/** As the library looks it up: from any provider, SYSTEM scope included. */
Object credential() {
    return type('com.cloudbees.plugins.credentials.CredentialsProvider')?.lookupCredentialsInItemGroup(
        type('com.cloudbees.plugins.credentials.common.StandardCredentials'), Jenkins.get(),
        type('hudson.security.ACL').SYSTEM2, [])?.find { credential -> credential.id == input.credential }
}

List variables() {
    return Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty)
}

/** A secret itself never leaves Jenkins, only whether it is the wanted one. */
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
            credential == null ? [:] : [isWanted: digest(credential) == input.digest],
    ]
}

/** Null: the library does not come from a Git repository. */
String remote(Object library) {
    Object scm = library.retriever.hasProperty('scm') ? library.retriever.scm : null
    return scm?.getClass()?.name == 'jenkins.plugins.git.GitSCMSource' ? scm.remote : null
}

/** Prints one line of ASCII, the last one of the output. */
void printAnswer(Map answer) {
    println(JsonOutput.toJson(answer))
}
