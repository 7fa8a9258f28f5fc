// Sets what `input.settings` names and nothing else, in the form that `settings` reads, and checks that
// Jenkins keeps it. If a step fails, the steps before it are undone, the last one first.
undo = []

/** Takes a step that can be undone; a step that did not reach a full disk need not be undone there. */
void attempt(Closure step, Closure back) {
    boolean done = false
    undo << {
        try {
            back()
        } catch (IOException e) {
            if (done) {
                throw e
            }
        }
    }
    step()
    done = true
}

/** Sets values through Jenkins' own setters: a name that it doesn't have is refused. */
void set(Object target, Map values, Closure save) {
    Map before = values.collectEntries { name, value -> [name, target[name]] }
    Closure put = { Map some ->
        some.each { name, value -> target[name] = value }
        save()
    }
    attempt({ put(values) }) { put(before) }
}

/** A descriptor's own `save` writes a full disk down in the log, and nobody else learns of it. */
void keep(Object descriptor) {
    descriptor.save()
    new hudson.XmlFile(new File(Jenkins.get().rootDir, "${descriptor.id}.xml")).write(descriptor)
}

void setVariables(Map wanted) {
    wanted.each { name, value ->
        List properties = Jenkins.get().globalNodeProperties
        List holders = variables().findAll { one -> one.envVars.containsKey(name) } ?: variables().take(1)
        if (holders) {
            Map before = holders.collectEntries { one -> [one, one.envVars[name]] }
            attempt({
                holders.each { one -> value == null ? one.envVars.remove(name) : one.envVars.put(name, value) }
                Jenkins.get().save()
            }) {
                before.each { one, old -> old == null ? one.envVars.remove(name) : one.envVars.put(name, old) }
                Jenkins.get().save()
            }
        } else if (value != null) {
            Object made = new EnvironmentVariablesNodeProperty(new EnvironmentVariablesNodeProperty.Entry(name, value))
            attempt({ properties.add(made) }) { properties.remove(made) }
        }
    }
}

/** The list is put in whole; other libraries stay in it as they are. */
void setLibrary(Map wanted) {
    String libs = 'org.jenkinsci.plugins.workflow.libs'
    List before = libraries().libraries
    Object current = library()
    Object changed = current
    if (wanted.containsKey('remote') && wanted.remote == null) { // a revert: apply has made it
        attempt({
            libraries().libraries = before - current
            keep(libraries())
        }) {
            libraries().libraries = before
            keep(libraries())
        }
        return
    }
    if (wanted.remote || current == null) {
        Object source = type('jenkins.plugins.git.GitSCMSource').newInstance(wanted.remote)
        source.credentialsId = current != null && remote(current) ? current.retriever.scm.credentialsId : null
        Object retriever = type("${libs}.SCMSourceRetriever").newInstance(source)
        changed = type("${libs}.LibraryConfiguration").newInstance(input.library, retriever)
        ['defaultVersion', 'implicit', 'allowVersionOverride', 'includeInChangesets', 'cachingConfiguration'].each { name ->
            if (current != null) {
                changed[name] = current[name]
            }
        }
    }
    Map options = wanted.findAll { name, value -> !(name in ['remote', 'credentialsId', 'refreshTimeMinutes']) }
    if (wanted.containsKey('refreshTimeMinutes')) {
        options.cachingConfiguration = wanted.refreshTimeMinutes ?
            type("${libs}.LibraryCachingConfiguration").newInstance(wanted.refreshTimeMinutes, '') : null
    }
    attempt({
        if (wanted.containsKey('credentialsId')) {
            set(changed.retriever.scm, [credentialsId: wanted.credentialsId]) { }
        }
        set(changed, options) { }
        libraries().libraries = current == null ? before + changed : before.collect { one -> one.is(current) ? changed : one }
        keep(libraries())
    }) {
        libraries().libraries = before
        keep(libraries())
    }
}

Object secretText(Class text, Object current, String password) {
    return text.newInstance(current.scope, input.credential, current.description, hudson.util.Secret.fromString(password))
}

/** The description and the user of the credential before stay. */
Object userAndPassword(Class pair, Object current, String password) {
    Object scope = current?.scope ?: type('com.cloudbees.plugins.credentials.CredentialsScope').SYSTEM
    String description = current?.description ?: 'notify-email'
    return pair.newInstance(scope, input.credential, description, current?.username ?: 'jenkins', password)
}

/** Into the controller's own store, where its own look-up finds it and no Jenkinsfile does. */
void setCredential(Map wanted) {
    String plugin = 'com.cloudbees.plugins.credentials'
    Object everywhere = type("${plugin}.domains.Domain").global()
    Object store = type("${plugin}.CredentialsProvider").lookupStores(Jenkins.get()).find { one ->
        one.getClass().name.startsWith("${plugin}.SystemCredentialsProvider")
    }
    Object current = store.getCredentials(everywhere).find { entry -> entry.hasProperty('id') && entry.id == input.credential }
    if (current == null && credential() != null) {
        throw new IllegalStateException("the credential ${input.credential} comes from another store: change it there")
    }
    Class pair = type("${plugin}.impl.UsernamePasswordCredentialsImpl")
    Class text = type('org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl')
    if (current != null && !(current.getClass() in [pair, text])) {
        throw new IllegalStateException("the credential ${input.credential} is of another kind: change it in Jenkins")
    }
    if (wanted.isRestored == false) { // a revert: apply has made it
        attempt({ store.removeCredentials(everywhere, current) }) { store.addCredentials(everywhere, current) }
        return
    }
    String password = wanted.isRestored ? hudson.util.Secret.fromString(readRecord().secret).plainText : wanted.password
    Object made = current?.getClass() == text ? secretText(text, current, password) : userAndPassword(pair, current, password)
    attempt({
        current ? store.updateCredentials(everywhere, current, made) : store.addCredentials(everywhere, made)
    }) {
        current ? store.updateCredentials(everywhere, made, current) : store.removeCredentials(everywhere, made)
    }
}

void setAll(Map wanted) {
    if (wanted.mailer) {
        Object mailer = mailer()
        set(mailer, wanted.mailer) { keep(mailer) }
    }
    if (wanted.location) {
        Object location = JenkinsLocationConfiguration.get()
        set(location, wanted.location) { keep(location) }
    }
    if (wanted.emailExt) {
        Object emailExt = emailExt()
        set(emailExt.mailAccount, wanted.emailExt) { keep(emailExt) }
    }
    if (wanted.variables) {
        setVariables(wanted.variables)
    }
    if (wanted.library) {
        setLibrary(wanted.library)
    }
    if (wanted.credential) {
        setCredential(wanted.credential)
    }
}

/** A setter may trim its value, or ignore it. */
void check(Map wanted) {
    Map kept = settings()
    wanted.each { section, values ->
        Map tokens = [isWanted: values.isRestored == null ? true : values.isRestored ? false : null]
        Map expected = section == 'credential' ? tokens : values
        String lost = expected.keySet().find { name -> kept[section]?.get(name) != expected[name] }
        if (lost) {
            throw new IllegalStateException("Jenkins did not keep ${lost} (${section})")
        }
    }
}

/** Keeps what to take back, and a secret that is replaced for the first time; an empty record is removed. */
void keepRecord(Map changes, Map wanted) {
    File file = recordFile()
    String before = file.exists() ? file.getText('UTF-8') : null
    Map record = readRecord()
    String replaced = record.secret
    String current = secret(credential())
    if (wanted.credential && !record.settings?.credential && current != null) {
        replaced = hudson.util.Secret.fromString(current).encryptedValue
    }
    attempt({ writeWhole(file, changes ? JsonOutput.toJson([settings: changes, secret: replaced]) : null) }) {
        writeWhole(file, before)
    }
}

/** Writes a file whole or not at all; null removes it. */
void writeWhole(File file, String text) {
    if (text == null) {
        java.nio.file.Files.deleteIfExists(file.toPath())
        return
    }
    File fresh = new File(file.parentFile, "${file.name}.new")
    fresh.setText(text, 'UTF-8')
    java.nio.file.Files.move(fresh.toPath(), file.toPath(), java.nio.file.StandardCopyOption.REPLACE_EXISTING)
}

try {
    if (input.record) { // first: what is written must never be without its record
        keepRecord(input.record, input.settings)
    }
    if (recordFile().exists()) { // else this revert is done, and only its answer was lost
        setAll(input.settings)
        check(input.settings)
    }
    if (!input.record) {
        keepRecord(null, [:])
    }
    printAnswer([done: true])
} catch (Exception | LinkageError e) {
    String error = "${e.getClass().simpleName}: ${e.message}"
    List stuck = []
    undo.reverse().each { step ->
        try {
            step()
        } catch (Exception again) {
            stuck << "${again.getClass().simpleName}: ${again.message}".toString()
        }
    }
    printAnswer([error: error, stuck: stuck])
}
