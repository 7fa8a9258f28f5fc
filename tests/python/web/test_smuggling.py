"""connection_limits.py: a request whose end two readers might see at two places is none at all.

Behind a proxy that reads it otherwise, what follows would be somebody else's request.
"""

import json
from collections.abc import Iterator

import pytest

from pyservice.config.settings import Settings
from tests.builders.connections import POST, answered, connect, problem, running

SMUGGLED = b"POST /v1/reports/x/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    """The real server's."""
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
    """The first is answered by a refusal, the connection is closed, the second is never read."""
    with connect(port) as connection:
        connection.sendall(POST + framing + SMUGGLED)
        found, headers, body = answered(connection)
    assert found in {400, 501}, body
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert body.count(b"HTTP/1.1") == 0
    assert json.loads(body)["status"] == found


def test_the_refusal_says_why(port: int) -> None:
    """Who wrote the client finds the mistake."""
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}")
        told = problem(connection, 400)["detail"]
    assert "Transfer-Encoding contradicts a Content-Length" in told


def test_chunks_in_an_old_version(port: int) -> None:
    """HTTP/1.0 has none."""
    old = POST.replace(b"HTTP/1.1", b"HTTP/1.0")
    with connect(port) as connection:
        connection.sendall(old + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED)
        assert "HTTP version" in problem(connection, 400)["detail"]
