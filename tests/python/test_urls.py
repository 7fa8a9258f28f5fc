"""urls.py: what is an address, and which server speaks no TLS."""

import socket
from collections.abc import Callable

import pytest

from pyservice.errors import SetupError
from pyservice.jenkins.client import JenkinsClient
from pyservice.service_client import ServiceClient
from pyservice.setup.jenkins.desired import DesiredJenkins
from pyservice.urls import is_web_address, without_user
from tests.builders.patience import PATIENCE

Scripted = Callable[[Callable[[socket.socket], None]], int]


@pytest.mark.parametrize(
    "url",
    ["http://ci", "https://ci.example.com/jenkins/", "http://[::1]:8525", "http://10.0.0.1:1"],
)
def test_addresses(url: str) -> None:
    """A host is enough."""
    assert is_web_address(url)
    assert DesiredJenkins(service_url=url).service_url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "ci",
            "ci:8080",
            "ftp://ci",
            "http://",
            "http://:80",
            "http://ci:many",
            "http://ci:0",
        ),
        *("http://ci:99999", "http://[::1", "http://[ci]", "http://ci\n", "http://c i"),
    ],
)
def test_what_is_no_address(url: str) -> None:
    """Whatever somebody types, it is a "no", and never an error of Python's own."""
    assert not is_web_address(url)


def test_https_where_there_is_plain_http(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is about the URL, since no certificate would help."""
    monkeypatch.setenv("NO_PROXY", "*")

    def refuse(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    url = f"https://127.0.0.1:{scripted(refuse)}"
    with pytest.raises(SetupError, match=r"speaks no TLS.*http://"):
        ServiceClient(url).status("x")
    url = f"https://127.0.0.1:{scripted(refuse)}"
    jenkins = JenkinsClient(
        url, "ada", "s3cret", permissions="Overall/Read", timeouts=(PATIENCE, PATIENCE)
    )
    with pytest.raises(SetupError, match=r"speaks no TLS.*http://"):
        jenkins.send("GET", "/api/json")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:s3cret@git.example.com/x.git", "https://git.example.com/x.git"),
        ("https://token@git.example.com", "https://git.example.com"),
        ("https://git.example.com/a@b", "https://git.example.com/a@b"),
        ("git@git.example.com:x.git", "git@git.example.com:x.git"),
        ("/srv/git/x", "/srv/git/x"),
    ],
)
def test_without_a_user(url: str, shown: str) -> None:
    """User and password are cut out of a URL."""
    assert without_user(url) == shown
