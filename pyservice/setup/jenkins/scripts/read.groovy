/** What answers at the service's URL: the given one, else the library's own; null: there is none yet. */
Map service(String own, String node) {
    String url = input.service ?: own
    if (url == 'auto') {
        url = node ? "http://${node.contains(':') ? "[${node}]" : node}:${input.servicePort}" : null
    }
    url = url?.trim()?.replaceAll('/+$', '')
    // The token goes nowhere but where the library sends it.
    return url ? requestService(url, url == own?.trim()?.replaceAll('/+$', '') ? secret(credential()) : null) : null
}

try {
    int port = input.port as int
    Map tried = input.address ? [(input.address): 'given'] : candidates()
    List<Map> seen = tried.collect { address, source -> [address: address, source: source] + greeting(address, port) }
    Map changes = readRecord().settings
    if (input.reverts) {
        input.digest = changes?.credential?.digest?.after
    }
    Map current = settings()
    printAnswer([
        settings  : current,
        record    : changes,
        signsIn   : mailer()?.authentication != null,
        casc      : type('io.jenkins.plugins.casc.ConfigurationAsCode')?.get()?.sources ?: [],
        candidates: seen,
        service   : service(current.variables.NOTIFY_EMAIL_URL, seen.find { one -> one.greeting }?.address ?: input.address),
    ])
} catch (Exception | LinkageError e) {
    printAnswer([error: "${e.getClass().simpleName}: ${e.message}".toString()])
}
