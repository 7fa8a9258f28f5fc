package harness

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import groovy.json.JsonSlurper

/** The service's side of the contract, on a loopback port: answers what a test says, in turn. */
class FakeService implements Closeable {

    static final String ID = 'b7a3f1d2-0000-4000-8000-000000000001'
    static final Map ACCEPTED = [
        status: 202,
        body  : '{"id":"' + ID + '","state":"received","message_id":"<' + ID + '@ci.example.com>","recipients":["a@x.org"],' +
            '"status_url":"/v1/reports/' + ID + '","preview_url":"/v1/reports/' + ID + '/preview"}',
    ]

    /** What to answer: status, body, headers, delay (ms), cut (half of it only); the last one again when they run out. */
    List<Map> answers = [ACCEPTED]
    final List<Map> requests = [].asSynchronized()

    private final HttpServer server

    FakeService() {
        server = HttpServer.create(new InetSocketAddress('127.0.0.1', 0), 0)
        server.executor = java.util.concurrent.Executors.newCachedThreadPool { task ->
            Thread thread = new Thread(task)
            thread.daemon = true
            return thread
        }
        server.createContext('/') { HttpExchange exchange -> answer(exchange) }
        server.start()
    }

    String getUrl() {
        return "http://127.0.0.1:${server.address.port}"
    }

    /** The reports that were posted, parsed. */
    List<Map> getReports() {
        return requests.collect { request -> new JsonSlurper().parseText(request.body) as Map }
    }

    private void answer(HttpExchange exchange) {
        requests << [
            path: exchange.requestURI.path, method: exchange.requestMethod, body: exchange.requestBody.getText('UTF-8'),
            authorization: exchange.requestHeaders.getFirst('Authorization'),
            type: exchange.requestHeaders.getFirst('Content-Type'),
        ]
        Map told = answers.size() > 1 ? answers.remove(0) : answers[0]
        sleep(told.delay ?: 0)
        told.headers?.each { name, value -> exchange.responseHeaders.set(name, value) }
        byte[] body = told.body.getBytes('UTF-8')
        try {
            exchange.sendResponseHeaders(told.status, body.length ?: -1)
            exchange.responseBody.write(body, 0, told.cut ? body.length.intdiv(2) : body.length)
            exchange.close()
        } catch (IOException ignored) {
            // The caller has given up, as some tests want it.
        }
    }

    @Override
    void close() {
        server.stop(0)
    }

}
