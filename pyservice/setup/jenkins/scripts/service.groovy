
// Finds out whether our service answers this controller. It needs only Java.

/** What the service answers at a URL: [url:, error:], else [url:, health:, ready:] and, with a token, [reports:]. */
Map requestService(String url, String token) {
    Map seen = [url: url]
    try {
        seen.health = answer("${url}/healthz", null)
        if (seen.health.status == 200 && seen.health.body ==~ /\{"status":\s*"ok".*/) { // nothing else gets the token
            seen.ready = answer("${url}/readyz", null)
            seen.reports = answer("${url}/v1/reports?limit=1", token)
        }
    } catch (Exception e) {
        seen.error = causes(e)
    }
    return seen
}

/** GETs as the library posts: without a proxy, and to this address alone. */
Map answer(String url, String token) {
    HttpURLConnection connection = new URL(url).openConnection(Proxy.NO_PROXY)
    connection.instanceFollowRedirects = false
    connection.connectTimeout = 3000
    connection.readTimeout = 8000 // until the service knows whether it is ready
    if (token) {
        connection.setRequestProperty('Authorization', "Bearer ${token}")
    }
    int status = connection.responseCode
    InputStream body = status < 400 ? connection.inputStream : connection.errorStream
    byte[] piece = new byte[2000]
    int size = body == null ? -1 : body.read(piece)
    connection.disconnect()
    return [status: status, body: size < 0 ? '' : new String(piece, 0, size, 'UTF-8')]
}

/** Each exception with its own words, since the reason of a failed handshake is the innermost one's. */
String causes(Throwable e) {
    List<String> all = []
    for (Throwable each = e; each != null && all.size() < 5; each = each.cause) {
        all << "${each.getClass().simpleName}: ${each.message}".toString()
    }
    return all.join('; ').take(500)
}
