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

/** A credential's token, as the library sends it; null: it holds none. */
String secret(Object credential) {
    String kind = ['password', 'secret'].find { name -> credential?.hasProperty(name) }
    return kind ? credential[kind].plainText.trim() : null
}

/** A secret itself never leaves Jenkins, only whether it is the wanted one. */
String digest(Object credential) {
    byte[] bytes = (secret(credential) ?: '').getBytes('UTF-8')
    return java.security.MessageDigest.getInstance('SHA-256').digest(bytes).encodeHex()
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

/** What applies have changed, which record.py explains, and a secret that was replaced: [settings:, secret:]. */
File recordFile() {
    return new File(Jenkins.get().rootDir, 'notify-email.json')
}

Map readRecord() {
    File file = recordFile()
    try {
        return file.exists() ? new groovy.json.JsonSlurper().parseText(file.getText('UTF-8')) as Map : [:]
    } catch (groovy.json.JsonException | IllegalArgumentException | ClassCastException ignored) {
        throw new IllegalStateException("${file} is damaged. Move it away; then there is nothing to revert")
    }
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
