try {
    int port = asked.port as int
    Map tried = asked.address ? [(asked.address): 'given'] : candidates()
    tell([
        settings  : settings(),
        signsIn   : mailer()?.authentication != null,
        casc      : type('io.jenkins.plugins.casc.ConfigurationAsCode')?.get()?.sources ?: [],
        candidates: tried.collect { address, source -> [address: address, source: source] + greeting(address, port) },
    ])
} catch (Exception | LinkageError e) {
    tell([error: "${e.getClass().simpleName}: ${e.message}".toString()])
}
