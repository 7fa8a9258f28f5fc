package harness

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import groovy.json.JsonSlurper

/** A stand-in for the service, on a loopback port: it sends the answers that a test sets, one after the other. */
class FakeService implements Closeable {

    static final String ID = 'b7a3f1d2-0000-4000-8000-000000000001'
    static final Map ACCEPTED = [
        status: 202,
        body  : '{"id":"' + ID + '","state":"received","message_id":"<' + ID + '@ci.example.com>","recipients":["a@x.org"],' +
            '"status_url":"/v1/reports/' + ID + '","preview_url":"/v1/reports/' + ID + '/preview"}',
    ]

    /** Answers: status, body, headers, delay (ms), cut (send half of it). The last answer is sent again and again. */
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

    /** The parsed bodies of the requests. */
    List<Map> getReports() {
        return requests.collect { request -> new JsonSlurper().parseText(request.body) as Map }
    }

    private void answer(HttpExchange exchange) {
        requests << [
            path: exchange.requestURI.path, method: exchange.requestMethod, body: exchange.requestBody.getText('UTF-8'),
            authorization: exchange.requestHeaders.getFirst('Authorization'),
            type: exchange.requestHeaders.getFirst('Content-Type'),
            key: exchange.requestHeaders.getFirst('Idempotency-Key'),
        ]
        Map answer = answers.size() > 1 ? answers.remove(0) : answers[0]
        sleep(answer.delay ?: 0)
        answer.headers?.each { name, value -> exchange.responseHeaders.set(name, value) }
        byte[] body = answer.body.getBytes('UTF-8')
        try {
            exchange.sendResponseHeaders(answer.status, body.length ?: -1)
            exchange.responseBody.write(body, 0, answer.cut ? body.length.intdiv(2) : body.length)
            exchange.close()
        } catch (IOException ignored) {
            // The caller has closed the connection, as in the tests of late answers.
        }
    }

    @Override
    void close() {
        server.stop(0)
    }

}
