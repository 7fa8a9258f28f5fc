"""The client of Jenkins has limits, whatever answers."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from pyservice.errors import SetupError
from pyservice.jenkins.client import JenkinsClient
from pyservice.jenkins.errors import RedirectError, UnreachableError

Scripted = Callable[[Callable[[socket.socket], None]], int]


def answering(head: str, part: bytes = b"", pause: float = 0) -> Callable[[socket.socket], None]:
    """A server that sends a head and then one part after the other, until the client hangs up."""

    def converse(connection: socket.socket) -> None:
        connection.recv(4096)
        with suppress(OSError):
            connection.sendall(f"HTTP/1.1 {head}\r\n\r\n".encode())
            while part:
                connection.sendall(part)
                time.sleep(pause)

    return converse


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def client(port: int, timeouts: tuple[float, float] = (30, 30)) -> JenkinsClient:
    """Return a client of a server on loopback."""
    url = f"http://127.0.0.1:{port}/ci"
    permissions = "Overall/Read"
    return JenkinsClient(url, "ada", "s3cret", permissions=permissions, timeouts=timeouts)


def test_an_answer_that_never_ends(scripted: Scripted) -> None:
    """It is given up at its size."""
    port = scripted(answering("200 OK", b"x" * 65536))
    with pytest.raises(SetupError, match="Jenkins answers more than 1 MiB at http://127"):
        client(port).send("GET", "/api/json")


def test_an_answer_that_trickles(scripted: Scripted) -> None:
    """It is given up after the sum of the time-outs, although no pause is as long as one."""
    port = scripted(answering("200 OK", b"x" * 20000, pause=0.05))
    with pytest.raises(UnreachableError, match=r"does not answer in time\."):
        client(port, (0.25, 0.25)).send("GET", "/api/json")


def test_a_redirect(scripted: Scripted) -> None:
    """It is not followed, and the error names the address without the page."""
    location = "https://ci.example.com/ci/api/json"
    port = scripted(answering(f"302 Found\r\nContent-Length: 0\r\nLocation: {location}"))
    with pytest.raises(
        RedirectError, match=r"leads to https://ci\.example\.com/ci, which"
    ) as error:
        client(port).send("GET", "/api/json")
    assert error.value.location == location
