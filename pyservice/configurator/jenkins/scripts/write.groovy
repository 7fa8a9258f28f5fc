// Sets what `asked.settings` names and nothing else, in the form that `settings` reads. What fails on its
// way is undone, the last first.
undo = []

/** By Jenkins' own setters: a name that it doesn't have is refused. */
void set(Object target, Map values, Closure save) {
    Map before = values.collectEntries { name, value -> [name, target[name]] }
    undo << { before.each { name, value -> target[name] = value }; save() }
    values.each { name, value -> target[name] = value }
    save()
}

void setVariables(Map wanted) {
    wanted.each { name, value ->
        List properties = Jenkins.get().globalNodeProperties
        List holders = variables().findAll { one -> one.envVars.containsKey(name) } ?: variables().take(1)
        if (holders) {
            Map before = holders.collectEntries { one -> [one, one.envVars[name]] }
            undo << {
                before.each { one, old -> old == null ? one.envVars.remove(name) : one.envVars.put(name, old) }
                Jenkins.get().save()
            }
            holders.each { one -> one.envVars[name] = value }
            Jenkins.get().save()
        } else {
            Object made = new EnvironmentVariablesNodeProperty(new EnvironmentVariablesNodeProperty.Entry(name, value))
            undo << { properties.remove(made) }
            properties.add(made)
        }
    }
}

/** The list is put in whole; other libraries stay in it as they are. */
void setLibrary(Map wanted) {
    String libs = 'org.jenkinsci.plugins.workflow.libs'
    List before = libraries().libraries
    Object current = library()
    Object changed = current
    if (wanted.remote || current == null) {
        Object source = type('jenkins.plugins.git.GitSCMSource').newInstance(wanted.remote)
        source.credentialsId = current != null && remote(current) ? current.retriever.scm.credentialsId : null
        Object retriever = type("${libs}.SCMSourceRetriever").newInstance(source)
        changed = type("${libs}.LibraryConfiguration").newInstance(asked.library, retriever)
        ['defaultVersion', 'implicit', 'allowVersionOverride', 'includeInChangesets', 'cachingConfiguration'].each { name ->
            if (current != null) {
                changed[name] = current[name]
            }
        }
    }
    Map options = wanted.findAll { name, value -> !(name in ['remote', 'credentialsId', 'refreshTimeMinutes']) }
    if (wanted.refreshTimeMinutes) {
        options.cachingConfiguration = type("${libs}.LibraryCachingConfiguration").newInstance(wanted.refreshTimeMinutes, '')
    }
    if (wanted.credentialsId) {
        set(changed.retriever.scm, [credentialsId: wanted.credentialsId]) { }
    }
    undo << { libraries().libraries = before }
    set(changed, options) { }
    libraries().libraries = current == null ? before + changed : before.collect { one -> one.is(current) ? changed : one }
}

/** Into the controller's own store, where its own look-up finds it and no Jenkinsfile does. */
void setCredential(Map wanted) {
    String plugin = 'com.cloudbees.plugins.credentials'
    Object everywhere = type("${plugin}.domains.Domain").global()
    Object store = type("${plugin}.CredentialsProvider").lookupStores(Jenkins.get()).find { one ->
        one.getClass().name.startsWith("${plugin}.SystemCredentialsProvider")
    }
    Object current = store.getCredentials(everywhere).find { one -> one.hasProperty('id') && one.id == asked.credential }
    if (current == null && credential() != null) {
        throw new IllegalStateException("the credential ${asked.credential} comes from another store: change it there")
    }
    Object scope = current?.scope ?: type("${plugin}.CredentialsScope").SYSTEM
    Object made = type("${plugin}.impl.UsernamePasswordCredentialsImpl").newInstance(
        scope, asked.credential, current?.description ?: 'notify-email', 'jenkins', wanted.password)
    if (current == null) {
        undo << { store.removeCredentials(everywhere, made) }
        store.addCredentials(everywhere, made)
    } else {
        undo << { store.updateCredentials(everywhere, made, current) }
        store.updateCredentials(everywhere, current, made)
    }
}

void setAll(Map wanted) {
    if (wanted.mailer) {
        Object mailer = mailer()
        set(mailer, wanted.mailer) { mailer.save() } // before 1.25 no setter does
    }
    if (wanted.location) {
        set(JenkinsLocationConfiguration.get(), wanted.location) { }
    }
    if (wanted.emailExt) {
        Object emailExt = emailExt()
        set(emailExt.mailAccount, wanted.emailExt) { emailExt.save() }
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

try {
    setAll(asked.settings)
    tell([settings: settings()])
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
    tell([error: error, stuck: stuck])
}
