"""connection_limits.py: a request is refused if two servers may disagree where it ends.

A proxy that reads it differently would take the rest for another caller's request.
"""

import json
from collections.abc import Iterator

import pytest

from pyservice.config.settings import Settings
from tests.builders.connections import POST, answered, connect, problem, running

SMUGGLED = b"POST /v1/reports/x/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    """The port of the real server."""
    with running(settings) as own:
        yield own


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length: 0\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: 0, 5\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 0x0\r\n\r\n",
        b"Content-Length: 1_0\r\n\r\n",
        b"Content-Length: 0\r\n Content-Length: 5\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\n{XX\r\n0\r\n\r\n",
    ],
)
def test_two_ends(port: int, framing: bytes) -> None:
    """The first request is refused, the connection is closed, and the second is never read."""
    with connect(port) as connection:
        connection.sendall(POST + framing + SMUGGLED)
        status, headers, body = answered(connection)
    assert status in {400, 501}, body
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert body.count(b"HTTP/1.1") == 0
    assert json.loads(body)["status"] == status


def test_the_refusal_says_why(port: int) -> None:
    """The refusal names the mistake."""
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}")
        detail = problem(connection, 400)["detail"]
    assert "Transfer-Encoding contradicts a Content-Length" in detail


def test_chunks_in_an_old_version(port: int) -> None:
    """A chunked body is refused in HTTP/1.0, which has no chunks."""
    old = POST.replace(b"HTTP/1.1", b"HTTP/1.0")
    with connect(port) as connection:
        connection.sendall(old + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED)
        assert "HTTP version" in problem(connection, 400)["detail"]
