"""connection_limits.py: slow, huge and many callers, by raw sockets against the real server."""

import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from structlog.testing import capture_logs

from pyservice.config.settings import Settings
from pyservice.web.limits import HttpLimits
from tests.builders.connections import POST, answered, connect, problem, running
from tests.python.conftest import wait_for


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    """The port of a server whose limits of time are short."""
    limits = HttpLimits(header_time=1.0, body_time=1.0, answer_grace=0.5, read_time=1.0)
    with running(settings, limits=limits) as port:
        yield port


def trickle(connection: socket.socket, data: bytes, enough: Callable[[], bool]) -> None:
    """Send a byte every 50 ms, until `enough` is true or the connection is closed."""
    for number in range(len(data)):
        if enough():
            return
        try:
            connection.sendall(data[number : number + 1])
        except OSError:
            return
        time.sleep(0.05)


@contextmanager
def trickling(connection: socket.socket, data: bytes) -> Iterator[None]:
    """Send slowly while something else is done."""
    done = threading.Event()
    thread = threading.Thread(target=trickle, args=(connection, data, done.is_set))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_header_that_trickles(port: int) -> None:
    """A header that comes slowly is answered 408 after the limit."""
    began = time.monotonic()
    with connect(port) as connection, trickling(connection, b"GET / HTTP/1.1\r\nX: " + b"x" * 999):
        assert "header did not arrive within 1 s" in problem(connection, 408)["detail"]
    assert time.monotonic() - began > 0.9


def test_a_second_header_that_trickles(port: int) -> None:
    """The limit holds for each header of a connection."""
    with connect(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        began = time.monotonic()
        with trickling(connection, b"GET / HTTP/1.1\r\nX: " + b"x" * 999):
            problem(connection, 408)
        assert time.monotonic() - began > 0.9


def test_silence(port: int) -> None:
    """A connection without data is closed after the limit, without an answer."""
    began = time.monotonic()
    with connect(port) as connection:
        assert connection.recv(1) == b""
    assert time.monotonic() - began > 0.9


@pytest.mark.parametrize("framing", [b"Content-Length: 5000", b"Transfer-Encoding: chunked"])
def test_a_body_that_trickles(port: int, framing: bytes) -> None:
    """A body that comes slowly is answered 408 after the limit, however it is framed."""
    began = time.monotonic()
    body = b"1\r\n \r\n" * 500 if b"chunked" in framing else b" " * 5000
    with connect(port) as connection:
        connection.sendall(POST + framing + b"\r\n\r\n")
        with trickling(connection, body):
            assert (
                "The request's body did not arrive within 1 s" in problem(connection, 408)["detail"]
            )
    assert time.monotonic() - began > 0.9


def test_a_body_that_is_shorter_than_it_said(port: int) -> None:
    """A caller that waits gets 408; a connection that ends before its body gets no answer."""
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{}")
        problem(connection, 408)
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        assert answered(connection)[0] == 0


def test_a_body_that_nobody_reads(port: int) -> None:
    """A connection with an early answer ends soon after the body's time."""
    with connect(port) as connection:
        request = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
        connection.sendall(request)
        began = time.monotonic()
        with trickling(connection, b" " * 5000):
            assert answered(connection)[0] == 404
        assert time.monotonic() - began > 1


def test_chunks_without_end(port: int) -> None:
    """A chunked body over the limit is answered 413, and the server doesn't wait for the rest."""
    with capture_logs() as logs, connect(port) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        sent, chunk = 0, b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            while sent < 100 * HttpLimits().max_body:
                connection.sendall(chunk)
                sent += len(chunk)
        except ConnectionError:
            pass
    assert HttpLimits().max_body < sent < 40 * HttpLimits().max_body
    [refused] = [log for log in logs if log["event"] == "request.refused"]
    assert refused["status"] == 413


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("size", [40 * 1024, 100 * 1024])
def test_a_huge_header(port: int, size: int, is_whole: bool) -> None:
    """A header over the limit is answered 431, whether it comes at once or line by line."""
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(size // 1000))
    with connect(port) as connection:
        try:
            if is_whole:
                connection.sendall(POST + lines + b"\r\n")
            else:
                for line in lines.split(b"\n")[:-1]:
                    connection.sendall(line + b"\n")
        except OSError:
            pass
        status, headers, body = answered(connection)
        # What was sent after the answer may take the answer away.
        if status:
            assert (status, headers["connection"]) == (431, "close")
            assert "more than 32768 bytes" in json.loads(body)["detail"]


def test_a_header_of_an_allowed_size(port: int) -> None:
    """A header of 30 KiB is accepted."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/healthz", headers={f"X-{n}": "x" * 1000 for n in range(30)})
    assert client.getresponse().status == 200
    client.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", 400),
        (POST + b"Content-Length: x\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ],
)
def test_no_http(port: int, request_: bytes, status: int) -> None:
    """Data that is no HTTP is answered with problem+json, which says what is wrong."""
    with connect(port) as connection:
        connection.sendall(request_)
        assert "no valid HTTP request" in problem(connection, status)["detail"]


@pytest.mark.parametrize("pages", [1, 4, 30])
def test_an_answer_that_nobody_reads(port: int, pages: int) -> None:
    """The server closes the connection, whether it could write the whole answer or not."""
    page = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def served() -> int:
        """Count the server's connections; the client's are in this process, too."""
        connections = psutil.Process().net_connections("tcp")
        return sum(each.laddr.port == port and each.status != "LISTEN" for each in connections)

    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(page * pages)
        wait_for(lambda: served() == 1)
        wait_for(lambda: served() == 0)


def test_refusals_are_counted(port: int) -> None:
    """Requests that are refused before they reach a route are counted, too."""
    with connect(port) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        problem(connection, 400)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/metrics")
    metrics = client.getresponse().read().decode()
    client.close()
    assert 'notify_email_requests_refused_total{status="400"} 1.0' in metrics


def test_forwarded_addresses(settings: Settings) -> None:
    """A caller's address is that of its connection, whatever its headers say."""
    trusting = Settings.model_validate(settings.model_dump() | {"trusted_networks": "192.0.2.0/24"})
    with running(trusting) as port:
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            value = "for=192.0.2.1" if header == "Forwarded" else "192.0.2.1"
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            client.request("GET", "/metrics", headers={header: value})
            assert client.getresponse().status == 200
            client.close()


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Server and clients are one process here, which needs twice as many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("most", [800, 300])
@pytest.mark.usefixtures("descriptors")
def test_idle_connections(settings: Settings, most: int) -> None:
    """500 of them shut nobody out; over the limit, those that were idle longest are closed."""
    # No header's time ends here, so a connection that is closed was closed to make room.
    limits = HttpLimits(max_connections=most, header_time=600.0)
    with running(settings, limits=limits) as port, ExitStack() as stack:
        idle = [stack.enter_context(connect(port)) for _ in range(500)]
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200
        client.close()
        if most < len(idle):
            assert idle[0].recv(1) == b""
        idle[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].recv(1)


def test_too_many_requests_at_once(settings: Settings) -> None:
    """503 with Retry-After; the requests under way are finished, and then there is room."""
    limits = HttpLimits(max_connections=3)
    with running(settings, limits=limits) as port, ExitStack() as stack:
        working = [stack.enter_context(connect(port)) for _ in range(3)]
        for connection in working:
            connection.sendall(POST + b"Expect: 100-continue\r\nConnection: close\r\n")
            connection.sendall(b"Content-Length: 2\r\n\r\n")
            # The server asks for the body, so it has read the header.
            assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        late = stack.enter_context(connect(port))
        late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, headers, body = answered(late)
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert headers["content-type"] == "application/problem+json"
        assert "too many connections" in json.loads(body)["detail"]
        for connection in working:
            connection.sendall(b"{}")
            assert answered(connection)[0] == 422
        again = stack.enter_context(connect(port))
        again.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answered(again)[0] == 200
