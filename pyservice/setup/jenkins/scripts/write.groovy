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
                holders.each { one -> one.envVars[name] = value }
                Jenkins.get().save()
            }) {
                before.each { one, old -> old == null ? one.envVars.remove(name) : one.envVars.put(name, old) }
                Jenkins.get().save()
            }
        } else {
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
    if (wanted.refreshTimeMinutes) {
        options.cachingConfiguration = type("${libs}.LibraryCachingConfiguration").newInstance(wanted.refreshTimeMinutes, '')
    }
    attempt({
        if (wanted.credentialsId) {
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
    Object scope = current?.scope ?: type("${plugin}.CredentialsScope").SYSTEM
    Object made
    if (current == null || current.getClass() == pair) {
        made = pair.newInstance(
            scope, input.credential, current?.description ?: 'notify-email', current?.username ?: 'jenkins', wanted.password)
    } else {
        made = text.newInstance(scope, input.credential, current.description, hudson.util.Secret.fromString(wanted.password))
    }
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
        Map expected = section == 'credential' ? [isWanted: true] : values
        String lost = expected.keySet().find { name -> kept[section]?.get(name) != expected[name] }
        if (lost) {
            throw new IllegalStateException("Jenkins did not keep ${lost} (${section})")
        }
    }
}

try {
    setAll(input.settings)
    check(input.settings)
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
