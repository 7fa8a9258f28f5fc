"""The client of Jenkins has limits, whatever answers."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from pyservice.errors import SetupError
from pyservice.jenkins.client import JenkinsClient, ReadLimits
from pyservice.jenkins.errors import RedirectError, TooLargeError, UnreachableError
from tests.builders.patience import PATIENCE

Scripted = Callable[[Callable[[socket.socket], None]], int]


def answering(
    head: str, part: bytes = b"", pause: float = 0, end: bytes = b"\r\n"
) -> Callable[[socket.socket], None]:
    """A server that sends a head and then one part after the other, until the client hangs up."""

    def converse(connection: socket.socket) -> None:
        connection.recv(4096)
        with suppress(OSError):
            connection.sendall(f"HTTP/1.1 {head}\r\n".encode() + end)
            while part:
                connection.sendall(part)
                time.sleep(pause)

    return converse


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def client(
    port: int, timeouts: tuple[float, float] = (PATIENCE, PATIENCE), *, user: str | None = "ada"
) -> JenkinsClient:
    """Return a client of a server on loopback."""
    url = f"http://127.0.0.1:{port}/ci"
    permissions = "Overall/Read"
    return JenkinsClient(url, user, "s3cret", permissions=permissions, timeouts=timeouts)


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


@pytest.mark.parametrize("part", [b"X: y\r\n", b"x", b"\r\nHTTP/1.1 100 Continue\r\n"])
def test_a_head_that_trickles(scripted: Scripted, part: bytes) -> None:
    """It is given up, too, however it goes on."""
    port = scripted(answering("100 Continue\r\nX: y", part, pause=0.05, end=b""))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"does not answer in time\."):
        client(port, (0.5, 0.5)).send("GET", "/api/json")
    assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize(("user", "who"), [("ada", "ada"), (None, "an anonymous user")])
def test_a_page_that_is_not_there(scripted: Scripted, user: str | None, who: str) -> None:
    """The error names who may not see it, also without a user."""
    port = scripted(answering("404 Not Found\r\nContent-Length: 0"))
    with pytest.raises(SetupError, match=f"has no page /api/json, or {who} may not see it"):
        client(port, user=user).send("GET", "/api/json")


def test_a_redirect(scripted: Scripted) -> None:
    """It is not followed, and the error names the address without the page."""
    location = "https://ci.example.com/ci/api/json"
    port = scripted(answering(f"302 Found\r\nContent-Length: 0\r\nLocation: {location}"))
    with pytest.raises(
        RedirectError, match=r"leads to https://ci\.example\.com/ci, which"
    ) as error:
        client(port).send("GET", "/api/json")
    assert error.value.location == location


def read(port: int, *, seconds: float = PATIENCE, keep: int | None = None) -> bytes:
    """Read a page of at most 1 MiB."""
    limits = ReadLimits(1024 * 1024, time.monotonic() + seconds, keep)
    return client(port).read("/consoleText", limits)


def test_the_end_of_an_answer(scripted: Scripted) -> None:
    """Only the last bytes are kept."""

    def converse(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + b"x" * 599_997)
        connection.sendall(b"end")

    assert read(scripted(converse), keep=1000) == b"x" * 997 + b"end"


def test_an_answer_that_comes_late(scripted: Scripted) -> None:
    """It is given up at the deadline, however small its parts are."""
    port = scripted(answering("200 OK\r\nContent-Length: 99999", b"x", pause=0.05))
    with pytest.raises(UnreachableError, match=r"does not answer in time\."):
        read(port, seconds=0.5)
    with pytest.raises(UnreachableError, match=r"does not answer in time\."):
        read(port, seconds=0)


def test_a_log_that_never_ends(scripted: Scripted) -> None:
    """It is given up at its size, although only its end would be kept."""
    with pytest.raises(TooLargeError, match="Jenkins answers more than 1 MiB"):
        read(scripted(answering("200 OK", b"x" * 65536)), keep=10)
