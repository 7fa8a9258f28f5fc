"""Pages that a mail links to are requested on request, and nothing else is."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pyservice.mail_checks.catalogue import MAX_HTML
from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.live_links import Limits, check_live
from tests.builders.mails import mail_of
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port

ANSWERS = {
    "/jenkins/missing": (404, ""),
    "/jenkins/broken": (500, ""),
    "/jenkins/stranger": (302, "https://evil.example.net/"),
    "/jenkins/private": (403, ""),
    "/jenkins/moved": (302, "/jenkins/login"),
}


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers["Authorization"]))
        status, location = ANSWERS.get(self.path, (200, ""))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    """A web server on this machine."""
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


AMPLE = Limits(timeout=PATIENCE, total=PATIENCE)


def root(server: _Server) -> str:
    """Return the address of what counts as Jenkins on the server."""
    return f"http://127.0.0.1:{server.server_port}/jenkins"


def checked(server: _Server, *urls: str, limits: Limits = AMPLE) -> list[Finding]:
    """Return the findings about a mail with these links."""
    links = "".join(f'<p><a href="{url}">page</a></p>' for url in urls)
    html = f"<!DOCTYPE html><html lang=en><body><h1>Failed</h1>{links}</body></html>"
    return check_live(mail_of(html), [root(server)], limits)


def test_only_known_servers_are_requested(server: _Server) -> None:
    """Neither a stranger's page, nor one beside the root, nor one with a query."""
    host = root(server).removesuffix("/jenkins")
    findings = checked(
        server,
        f"{host}/jenkins/job/a/1/",
        f"{host}/other",
        f"{host}/jenkins/../other",
        "http://169.254.169.254/latest/",
        f"{host}/jenkins/job/a/build?token=x",
        f"http://127.0.0.1:{free_port()}/jenkins/",
    )
    assert server.requests == [("HEAD", "/jenkins/job/a/1/", None)]
    assert [one.what for one in findings] == [
        "1 of 6 links were requested; 5 lead elsewhere, or have a query."
    ]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("missing", "answers 404"),
        ("broken", "answers 500"),
        ("stranger", "leads on to another server, evil.example.net"),
        ("there", ""),
        ("private", ""),
        ("moved", ""),
    ],
)
def test_answers(server: _Server, path: str, what: str) -> None:
    """A page that is missing is a warning; one behind a login is there. No redirect is followed."""
    *warnings, note = checked(server, f"{root(server)}/{path}")
    assert [(one.level, what in one.what) for one in warnings] == [("warning", True)] * bool(what)
    assert note.what == "1 of 1 links were requested."
    assert [request[1] for request in server.requests] == [f"/jenkins/{path}"]


def test_a_server_that_does_not_answer() -> None:
    """It is a warning with its place and cure."""
    url = f"http://127.0.0.1:{free_port()}/1"
    html = f'<!DOCTYPE html><html lang=en><body><p><a href="{url}">page</a></p></body></html>'
    warning, _ = check_live(mail_of(html), [url])
    assert "does not answer within 3 s" in warning.what
    assert (warning.line, warning.check) == (1, "live")


def test_number_and_time_are_limited(server: _Server) -> None:
    """What is over a limit is not requested, and the note says so."""
    urls = [f"{root(server)}/{number}" for number in range(5)]
    [note] = checked(server, *urls, limits=replace(AMPLE, links=2))
    assert note.what == "2 of 5 links were requested; 3 are over the limits."
    [note] = checked(server, *urls, limits=Limits(total=-1))
    assert note.what == "0 of 5 links were requested; 5 are over the limits."
    assert len(server.requests) == 2


def test_the_docs_have_the_limits() -> None:
    """Those that are in force."""
    page = (Path(__file__).parents[3] / "docs" / "limits.md").read_text()
    limits = Limits()
    assert f"| {limits.links}, {limits.timeout:g} s for each and {limits.total:g} s in all" in page
    assert f"checked as a whole | {MAX_HTML:,} characters |" in page
