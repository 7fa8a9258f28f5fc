try {
    int port = input.port as int
    Map tried = input.address ? [(input.address): 'given'] : candidates()
    printAnswer([
        settings  : settings(),
        signsIn   : mailer()?.authentication != null,
        casc      : type('io.jenkins.plugins.casc.ConfigurationAsCode')?.get()?.sources ?: [],
        candidates: tried.collect { address, source -> [address: address, source: source] + greeting(address, port) },
    ])
} catch (Exception | LinkageError e) {
    printAnswer([error: "${e.getClass().simpleName}: ${e.message}".toString()])
}
