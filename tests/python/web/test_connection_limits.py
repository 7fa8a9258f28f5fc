"""connection_limits.py: slow, huge and many callers, by raw sockets against the real server."""

import http.client
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import psutil
import pytest
from structlog.testing import capture_logs

from pyservice.config.settings import Settings
from pyservice.web.limits import HttpLimits
from tests.builders.connections import POST, answered, connect, problem, running
from tests.builders.limits import AMPLE
from tests.builders.patience import HANG, PATIENCE
from tests.python.conftest import wait_for


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    """The port of a server whose limits of time no test reaches."""
    with running(settings) as port:
        yield port


@contextmanager
def short(settings: Settings, **times: float) -> Iterator[int]:
    """The port of a server of whose limits of time some are short."""
    with running(settings, limits=replace(AMPLE.http, **times)) as port:  # type: ignore[arg-type]
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


HEADER = b"GET / HTTP/1.1\r\nX: " + b"x" * 9999


def test_a_header_that_trickles(settings: Settings) -> None:
    """A header that comes slowly is answered 408 after the limit."""
    with short(settings, header_time=1.0) as port:
        began = time.monotonic()
        with connect(port) as connection, trickling(connection, HEADER):
            assert "header did not arrive within 1 s" in problem(connection, 408)["detail"]
        assert time.monotonic() - began > 0.9


def test_a_second_header_that_trickles(settings: Settings) -> None:
    """The limit holds for each header of a connection."""
    with short(settings, header_time=3.0) as port, connect(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        began = time.monotonic()
        with trickling(connection, HEADER):
            problem(connection, 408)
        assert time.monotonic() - began > 2.9


def test_silence(settings: Settings) -> None:
    """A connection without data is closed after the limit, without an answer."""
    with short(settings, header_time=1.0) as port:
        began = time.monotonic()
        with connect(port) as connection:
            assert connection.recv(1) == b""
        assert time.monotonic() - began > 0.9


@pytest.mark.parametrize("framing", [b"Content-Length: 5000", b"Transfer-Encoding: chunked"])
def test_a_body_that_trickles(settings: Settings, framing: bytes) -> None:
    """A body that comes slowly is answered 408 after the limit, however it is framed."""
    body = b"1\r\n \r\n" * 500 if b"chunked" in framing else b" " * 5000
    with short(settings, body_time=1.0) as port:
        began = time.monotonic()
        with connect(port) as connection:
            connection.sendall(POST + framing + b"\r\n\r\n")
            with trickling(connection, body):
                detail = problem(connection, 408)["detail"]
        assert time.monotonic() - began > 0.9
    assert "The request's body did not arrive within 1 s" in detail


def test_a_form_that_trickles(settings: Settings) -> None:
    """So is a form, which FastAPI reads before it asks who sends it."""
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
    with short(settings, body_time=1.0) as port, connect(port) as connection:
        connection.sendall(head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n")
        with trickling(connection, b"x" * 5000):
            detail = problem(connection, 408)["detail"]
    assert "The request's body did not arrive within 1 s" in detail


def test_a_body_that_is_shorter_than_it_said(settings: Settings) -> None:
    """A caller that waits gets 408; a connection that ends before its body gets no answer."""
    with short(settings, body_time=1.0) as port, connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{}")
        problem(connection, 408)
    with running(settings) as port, connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        assert answered(connection)[0] == 0


def test_a_body_that_nobody_reads(settings: Settings) -> None:
    """A connection with an early answer ends soon after the body's time."""
    request = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    with short(settings, body_time=1.0, answer_grace=2.0) as port:
        began = time.monotonic()
        with connect(port) as connection:
            connection.sendall(request)
            with trickling(connection, b" " * 5000):
                assert answered(connection)[0] == 404
        assert time.monotonic() - began > 2


@pytest.mark.parametrize("chunk", [b"1\r\n \r\n", b"1;a=b\r\n \r\n", b"003\r\n   \r\n"])
def test_tiny_chunks(port: int, chunk: bytes) -> None:
    """A body in tiny chunks is refused soon, since each costs as much as a large one."""
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(head + chunk * 1025)
        assert "more than 1024 chunks" in problem(connection, 400)["detail"]
    with connect(port) as connection:
        connection.sendall((head + chunk * 1024 + b"0\r\n\r\n") * 2)
        answer = b""
        while answer.count(b"Malformed JSON") < 2:
            piece = connection.recv(65536)
            assert piece
            answer += piece
    assert answer.count(b"HTTP/1.1 400 ") == 2


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
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
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
def test_an_answer_that_nobody_reads(settings: Settings, pages: int) -> None:
    """The server closes the connection, whether it could write the whole answer or not."""
    page = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def served(port: int) -> int:
        """Count the server's connections; the client's are in this process, too."""
        connections = psutil.Process().net_connections("tcp")
        return sum(each.laddr.port == port and each.status != "LISTEN" for each in connections)

    with short(settings, read_time=1.0) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(page * pages)
        assert connection.recv(1) == b"H"  # it is served, and then not read on
        wait_for(lambda: served(port) == 0)


def test_refusals_are_counted(port: int) -> None:
    """Requests that are refused before they reach a route are counted, too."""
    with connect(port) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        problem(connection, 400)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
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
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
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
    limits = replace(AMPLE.http, max_connections=most, header_time=HANG)
    with running(settings, limits=limits) as port, ExitStack() as stack:
        idle = [stack.enter_context(connect(port)) for _ in range(500)]
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
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
    limits = replace(AMPLE.http, max_connections=3)
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


UNSENT = b"Content-Length: 5000\r\n\r\n"
BUNDLE = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" + UNSENT, 404),
        (b"POST /v1/reports HTTP/1.1\r\nHost: evil.example.com\r\n" + UNSENT, 421),
        (POST.replace(b"json", b"xml") + UNSENT, 415),
        (POST.replace(b"POST", b"PUT") + UNSENT, 405),
        (BUNDLE * 4, 200),
    ],
)
def test_answered_callers_make_room(settings: Settings, request_: bytes, status: int) -> None:
    """A caller that has its answer takes no room, if it neither sends its body nor reads on."""
    limits = replace(
        AMPLE.http,
        max_connections=3,
        body_time=HANG,
        answer_grace=HANG,
        read_time=HANG,
        keep_alive=int(HANG),
    )
    with running(settings, limits=limits) as port, ExitStack() as stack:

        def is_served() -> bool:
            with connect(port) as honest:
                honest.sendall(
                    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                )
                return answered(honest)[0] == 200

        for _ in range(3):
            answered_one = stack.enter_context(socket.socket())
            answered_one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            answered_one.connect(("127.0.0.1", port))
            answered_one.sendall(request_)
            assert answered_one.recv(13) == b"HTTP/1.1 %d " % status
        wait_for(is_served)  # the service can write no more
        assert all(is_served() for _ in range(4))


def test_a_body_that_stops_after_the_answer(settings: Settings) -> None:
    """The connection is closed soon, and not after the whole time of a body."""
    limits = replace(AMPLE.http, body_time=HANG, answer_grace=2.0)
    with running(settings, limits=limits) as port, connect(port) as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" + UNSENT + b" " * 9)
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        with suppress(ConnectionError):  # a busy machine may have closed it already
            connection.sendall(b" ")
            while connection.recv(65536):  # the answer's rest, and then, in time, its end
                pass


def test_a_body_without_end_after_the_answer(settings: Settings) -> None:
    """The service reads no more of it than of a report."""
    with running(settings, limits=replace(AMPLE.http, body_time=HANG, max_body=100_000)) as port:
        with connect(port) as connection:
            connection.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n")
            connection.sendall(b"Content-Length: 999999999\r\n\r\n")
            assert connection.recv(13) == b"HTTP/1.1 404 "
            sent = 0
            with suppress(ConnectionError):
                while sent < 100_000_000:
                    connection.sendall(b" " * 100_000)
                    sent += 100_000
        assert sent < 50_000_000


def test_bodies_share_their_memory(settings: Settings) -> None:
    """What is over all bodies' limit is answered 503: the largest body that is still arriving."""
    limits = replace(AMPLE.http, max_bodies=5000)
    with running(settings, limits=limits) as port, ExitStack() as stack:
        large, small, third = (stack.enter_context(connect(port)) for _ in range(3))
        for connection, size in ((large, 3000), (small, 1500), (third, 1000)):
            connection.sendall(POST + b"Connection: close\r\nContent-Length: 3001\r\n\r\n")
            connection.sendall(b" " * size)
            time.sleep(0.2)
        status, headers, body = answered(large)
        assert (status, headers["retry-after"]) == (503, "30")
        assert "try again later" in json.loads(body)["detail"]
        for connection, rest in ((third, 2001), (small, 1501)):
            connection.sendall(b" " * rest)
            assert answered(connection)[0] == 400  # no JSON
        # All memory is free again.
        whole = stack.enter_context(connect(port))
        whole.sendall(POST + b"Connection: close\r\nContent-Length: 4999\r\n\r\n" + b" " * 4999)
        assert answered(whole)[0] == 400


def test_a_body_over_the_shared_memory(settings: Settings) -> None:
    """It gives way itself, whether it comes at once or in pieces."""
    with running(settings, limits=replace(AMPLE.http, max_bodies=5000)) as port:
        for framing, body in (
            (b"Content-Length: 6000", b" " * 6000),
            (
                b"Transfer-Encoding: chunked",
                (b"3e8\r\n" + b" " * 1000 + b"\r\n") * 6 + b"0\r\n\r\n",
            ),
        ):
            with connect(port) as connection:
                connection.sendall(POST + b"Connection: close\r\n" + framing + b"\r\n\r\n" + body)
                assert answered(connection)[0] == 503


def test_many_refused_connections(settings: Settings) -> None:
    """They are one line of the log, with their number, until some time has passed."""
    with (
        running(settings, limits=replace(AMPLE.http, max_connections=1)) as port,
        ExitStack() as stack,
        capture_logs() as logs,
    ):
        working = stack.enter_context(connect(port))
        working.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert working.recv(65536).startswith(b"HTTP/1.1 100")
        for _ in range(20):
            with connect(port) as late:
                late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert answered(late)[0] == 503
    [line] = [log for log in logs if log["event"] == "connections.exhausted"]
    assert line["refused"] == 1


def test_no_descriptor_left(settings: Settings) -> None:
    """A few lines say so, and a caller that waits is served as soon as there is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running(settings) as port, capture_logs() as logs, socket.socket() as connection:
        connection.settimeout(PATIENCE)
        next_free = os.dup(0)
        os.close(next_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, hard))
        try:
            connection.connect(("127.0.0.1", port))
            wait_for(lambda: any(log["event"] == "connections.accept_failed" for log in logs))
            time.sleep(1.5)  # asyncio tries again each second
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answered(connection)[0] == 200
    [line] = [log for log in logs if log["event"] == "connections.accept_failed"]
    assert line["reason"] == "too many open files"
