"""updater.py: Jenkins shows how a mail stands, and delays neither reports nor mails.

tests/controller's stand-in has descriptions as a Jenkins has; other tests' controllers misbehave.
"""

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError
from pyservice.web.app import create_app
from pyservice.web.reloading import reload
from tests.builders.digests import LONG, end_wait
from tests.builders.limits import AMPLE
from tests.builders.limits import QUICK as SOON
from tests.builders.patience import HANG, PATIENCE
from tests.builders.ports import free_port
from tests.controller.standin import PASSWORD, READER_TOKEN, TOKEN, StandIn
from tests.python.conftest import (
    Json,
    PostfixStandIn,
    ask,
    post,
    serve,
    settled,
    wait_for,
)

BUILD = "/job/shop/job/checkout/2"
ACCEPTED = "Mail by notify-email: accepted by Postfix for 1 recipient"
QUICK = replace(AMPLE, description=replace(AMPLE.description, delay=0.05, pauses=(0.05, 0.1)))
"""A line is written at once, and an attempt that fails is repeated at once."""
LINE = "2026-11-25T12:40:03+01:00 node1 postfix/{}[7]: 4Q0001: {}"


class Awry:
    """A controller that answers as a test says: `answers` has a status, headers and a body each."""

    def __init__(self, certificate: trustme.LeafCert | None = None) -> None:
        """Listen; with a certificate it speaks TLS."""
        awry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                awry.requests.append((self.command, self.path, body))
                awry.authorization = self.headers["Authorization"]
                if awry.hangs:
                    awry.go_on.wait(HANG)
                    return
                found = b'{"description": "kept"}' if self.command == "GET" else b""
                back = {"Location": f"{self.path.removesuffix('submitDescription')}"}
                usual = (200, {}, found) if self.command == "GET" else (302, back, b"")
                status, headers, text = awry.answers.pop(0) if awry.answers else usual
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(text))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET  # noqa: N815 - http.server's own name

            def log_message(self, *_: object) -> None:
                pass

        self.requests: list[tuple[str, str, str]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.authorization = ""
        self.hangs, self.go_on = False, threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/ci"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def written(self) -> list[str]:
        """The descriptions that were POSTed."""
        return [parse_qs(body)["description"][0] for method, _, body in self.requests if body]


@pytest.fixture
def awry() -> Iterator[Awry]:
    """A controller that works, until a test changes it."""
    made = Awry()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Awry]:
    """A controller on another host."""
    made = Awry()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def wanted(settings: Settings, tmp_path: Path) -> Callable[..., Settings]:
    """Settings with BUILD_DESCRIPTION, for a controller."""

    def made(url: str, *, user: str = "admin", token: str = TOKEN, **changed: Any) -> Settings:
        file = tmp_path / "jenkins.token"
        file.write_text(f"{token}\n")
        jenkins = {"jenkins_url": url, "jenkins_user": user, "jenkins_token_file": file}
        return Settings(**settings.model_dump() | jenkins | {"build_description": True, **changed})

    return made


def of(root: str, report: Json, **changed: Any) -> Json:
    """Return a report about a build of that controller."""
    return report | {"build": report["build"] | {"url": f"{root}{BUILD}/"} | changed}


def description(controller: StandIn) -> str | None:
    """Return the build's description."""
    text: str | None = controller.control(ask)["builds"].get(BUILD)
    return text


def reasons(logs: list[Any], event: str = "description.failed") -> list[str]:
    return [str(entry.get("reason")) for entry in logs if entry["event"] == event]


def test_from_post_to_description(
    wanted: Callable[..., Settings], controller: StandIn, tmp_path: Path, report: Json
) -> None:
    """Each new receipt renews the line; what people wrote stays as it is."""
    ours = "<b>Release</b> 1.4 & more\r\nby Ada, été"
    controller.control(ask, builds={BUILD: ours, "/job/shop/job/other/2": "untouched"})
    log = tmp_path / "mail.log"
    log.touch()
    with serve(wanted(controller.url, postfix_log=str(log)), QUICK) as client:
        answer = post(client, of(controller.url, report)).json()
        wait_for(lambda: description(controller) == f"{ours}\n{ACCEPTED}")
        to = "to=<ada@example.com>, relay=r[192.0.2.1]:25, delay=1, status={}"
        for status, shown in (
            ("deferred (451 4.7.1 later)", "deferred for ada@example.com: 451 4.7.1 later"),
            ("bounced (550 5.1.1 <ada>)", "bounced for ada@example.com: 550 5.1.1 ‹ada›"),
            ("sent (250 Ok)", "relayed to 1 recipient"),
        ):
            with log.open("a") as file:
                named = f"message-id={answer['message_id']}"
                file.write(LINE.format("cleanup", named) + "\n")
                file.write(LINE.format("smtp", to.format(status)) + "\n")
            wanted_line = f"{ours}\nMail by notify-email: {shown}"
            wait_for(lambda wanted_line=wanted_line: description(controller) == wanted_line)  # type: ignore[misc]
    builds = controller.control(ask)["builds"]
    assert builds["/job/shop/job/other/2"] == "untouched"


def test_a_build_without_a_description(
    wanted: Callable[..., Settings], controller: StandIn, report: Json
) -> None:
    """A build without a description gets our line alone."""
    controller.control(ask, builds={BUILD: None})
    with serve(wanted(controller.url), QUICK) as client:
        post(client, of(controller.url, report))
        wait_for(lambda: description(controller) == ACCEPTED)


def test_off(settings: Settings, controller: StandIn, report: Json) -> None:
    """By default Jenkins gets no request."""
    controller.control(ask, builds={BUILD: None})
    with serve(settings, QUICK) as client:
        settled(client, post(client, of(controller.url, report)).json())
        time.sleep(0.3)
    seen = controller.control(ask)
    assert (seen["builds"], seen["requests"]) == ({BUILD: None}, [])


def test_digested(wanted: Callable[..., Settings], awry: Awry, report: Json) -> None:
    """The lines of builds that share a mail say so."""
    with serve(wanted(awry.url, rate_limits="job=1/hour", digest_after=LONG), QUICK) as client:
        for number in (2, 3, 4):
            body = of(awry.url, report, number=number)
            body["build"]["url"] = body["build"]["url"].replace("/2/", f"/{number}/")
            post(client, body)
        end_wait(client)
        wait_for(lambda: len(awry.written()) == 3)
    lines = sorted(text.removeprefix("kept\nMail by notify-email: ") for text in awry.written())
    assert lines == [
        "accepted by Postfix for 1 recipient",
        "accepted by Postfix for 1 recipient; in one mail with other builds",
        "in one mail with other builds",
    ]


@pytest.mark.parametrize("path", ["/job/shop/job/secret/2/", "/job/shop/job/checkout/3/", "/x/../"])
def test_foreign(
    wanted: Callable[..., Settings], awry: Awry, other: Awry, report: Json, path: str
) -> None:
    """A build that isn't the report's, or isn't below JENKINS_URL, causes no request."""
    with capture_logs() as logs, serve(wanted(awry.url), QUICK) as client:
        for number, url in enumerate((f"{awry.url}{path}", f"{other.url}{BUILD}/"), 1):
            body = of(awry.url, report, url=url, started_at=number)
            post(client, body)
        wait_for(lambda: len(reasons(logs, "description.foreign")) == 2)
    assert awry.requests == other.requests == []


def test_it_hangs(
    wanted: Callable[..., Settings],
    awry: Awry,
    report: Json,
) -> None:
    """Mails are sent as always, the log says so once a report, and the service stops at once."""
    impatient = replace(QUICK, description=replace(QUICK.description, timeouts=(0.2, 0.2)))
    awry.hangs = True
    with capture_logs() as logs, serve(wanted(awry.url), impatient) as client:
        for number in range(1, 6):
            settled(client, post(client, of(awry.url, report, started_at=number)).json())
        wait_for(lambda: len(reasons(logs)) == 5)
        wait_for(lambda: len(awry.requests) == 5 * 3)
    patient = replace(QUICK, description=replace(QUICK.description, timeouts=(PATIENCE, HANG)))
    with capture_logs(), serve(wanted(awry.url), patient) as client:
        settled(client, post(client, of(awry.url, report, started_at=6)).json())
        wait_for(lambda: len(awry.requests) == 5 * 3 + 1)
        began = time.monotonic()
        settled(client, post(client, of(awry.url, report, started_at=7)).json())
    assert time.monotonic() - began < PATIENCE, "while the request hangs, for longer"
    assert len(awry.requests) == 5 * 3 + 1
    assert set(reasons(logs)) == {f"Jenkins at {awry.url} does not answer in time."}


def test_it_comes_back(wanted: Callable[..., Settings], awry: Awry, report: Json) -> None:
    """A controller that is away for a moment gets the line when it is back."""
    awry.answers = [(503, {}, b"getting ready"), (500, {}, b"")]
    with serve(wanted(awry.url), QUICK) as client:
        post(client, of(awry.url, report))
        wait_for(lambda: awry.written() == [f"kept\n{ACCEPTED}"])


@pytest.mark.parametrize(
    ("answers", "tries", "reason"),
    [
        ([(500, {}, b"")], 3, "answers 500 to /job/"),
        ([(401, {}, b"")], 1, "does not know the user admin with this API token: make a new one"),
        ([(403, {}, b"")], 1, "The user admin lacks the permission Job/Read or Run/Update at "),
        ([(404, {}, b"")], 1, "or admin may not see it."),
        ([(200, {}, b"<html>")], 1, "is no build of Jenkins."),
        ([(200, {}, b"[]")], 1, "is no build of Jenkins."),
        ([(200, {}, b'{"description": 7}')], 1, "is no build of Jenkins."),
        ([(200, {}, b" " * 1024 * 1025)], 1, "answers more than 1 MiB"),
        ([(418, {}, b"")], 1, "answers 418"),
        ([(200, {"Content-Length": "9"}, b"{}")], 3, "can't be reached"),
        ([(200, {}, b'{"description": "a"}'), (500, {}, b"")], 6, "answers 500 to /job/"),
        ([(200, {}, b'{"description": "a"}'), (302, {"Location": "/login"}, b"")], 2, "/login,"),
    ],
)
def test_it_refuses(
    wanted: Callable[..., Settings],
    awry: Awry,
    report: Json,
    answers: list[Any],
    tries: int,
    reason: str,
) -> None:
    """Each failure is logged once, with its cure, and no line is half written."""
    awry.answers = answers * (tries // len(answers))
    with capture_logs() as logs, serve(wanted(awry.url), QUICK) as client:
        status = settled(client, post(client, of(awry.url, report)).json())
        wait_for(lambda: len(reasons(logs)) == 1)
    assert status["state"] == "accepted"
    assert reason in reasons(logs)[0]
    assert TOKEN not in str(logs)
    assert len(awry.requests) == tries
    assert not [entry for entry in logs if entry.get("exc_info")]


def test_no_redirect_is_followed(
    wanted: Callable[..., Settings], awry: Awry, other: Awry, report: Json
) -> None:
    """The token goes to no other host, whatever the controller answers."""
    awry.answers = [(302, {"Location": f"{other.url}{BUILD}/api/json"}, b"")]
    with capture_logs() as logs, serve(wanted(awry.url), QUICK) as client:
        post(client, of(awry.url, report))
        wait_for(lambda: len(reasons(logs)) == 1)
    assert "which is not followed" in reasons(logs)[0]
    assert other.requests == []


def test_a_controller_that_is_not_there(wanted: Callable[..., Settings], report: Json) -> None:
    """A controller that isn't there is tried a few times, and logged."""
    url = f"http://127.0.0.1:{free_port()}"
    with capture_logs() as logs, serve(wanted(url), QUICK) as client:
        settled(client, post(client, of(url, report)).json())
        wait_for(lambda: len(reasons(logs)) == 1)
    assert reasons(logs) == [f"Nothing listens at {url}: is Jenkins running, and is the URL right?"]


def test_certificate(
    wanted: Callable[..., Settings],
    tmp_path: Path,
    report: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An untrusted certificate is refused, and the cure in the log works."""
    authority = trustme.CA()
    secure = Awry(authority.issue_cert("127.0.0.1"))
    try:
        with capture_logs() as logs, serve(wanted(secure.url), QUICK) as client:
            post(client, of(secure.url, report, started_at=1))
            wait_for(lambda: len(reasons(logs)) == 1)
            assert "set REQUESTS_CA_BUNDLE to the file with your authority's" in reasons(logs)[0]
            assert secure.requests == []
            bundle = tmp_path / "authority.pem"
            authority.cert_pem.write_to_path(bundle)
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
            post(client, of(secure.url, report, started_at=2))
            wait_for(lambda: secure.written() == [f"kept\n{ACCEPTED}"])
    finally:
        secure.close()


def test_a_name_of_any_letters(wanted: Callable[..., Settings], awry: Awry, report: Json) -> None:
    """User and token go to Jenkins in UTF-8."""
    with serve(wanted(awry.url, user="Zoë 王"), QUICK) as client:
        post(client, of(awry.url, report))
        wait_for(lambda: len(awry.written()) == 1)
    credentials = base64.b64decode(awry.authorization.removeprefix("Basic ")).decode()
    assert credentials == f"Zoë 王:{TOKEN}"


def test_permissions(wanted: Callable[..., Settings], controller: StandIn, report: Json) -> None:
    """Errors name the permission that a user lacks, or say that a password is no token."""
    controller.control(ask, builds={BUILD: "kept"})
    reader = wanted(controller.url, user="reader", token=READER_TOKEN)
    with capture_logs() as logs, serve(reader, QUICK) as client:
        post(client, of(controller.url, report))
        wait_for(lambda: len(reasons(logs)) == 1)
        assert "The user reader lacks the permission Job/Read or Run/Update" in reasons(logs)[0]
    assert description(controller) == "kept"


def test_a_password_is_no_token(
    wanted: Callable[..., Settings], controller: StandIn, report: Json
) -> None:
    """A file that can't be read is refused at start, and logged if it can't be read later."""
    with pytest.raises(
        ConfigurationError, match=r"holds no token\. Write one into it, and nothing else"
    ):
        create_app(wanted(controller.url, token=PASSWORD))
    settings = wanted(controller.url)
    assert settings.jenkins_token_file
    with capture_logs() as logs, serve(settings, QUICK) as client:
        settings.jenkins_token_file.unlink()
        post(client, of(controller.url, report))
        wait_for(lambda: len(reasons(logs)) == 1)
    assert "jenkins.token can't be read" in reasons(logs)[0]


@pytest.mark.parametrize("missing", ["jenkins_url", "jenkins_user", "jenkins_token_file"])
def test_what_it_needs(tmp_path: Path, missing: str) -> None:
    """Without an address, a user or a token the service doesn't start."""
    file = tmp_path / "settings.toml"
    given = {
        "jenkins_url": "https://ci.example.com",
        "jenkins_user": "ada",
        "jenkins_token_file": str(tmp_path / "token"),
        "build_description": True,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items() if name != missing]
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError, match=f"set NOTIFY_EMAIL_{missing.upper()}, too"):
        Settings.load(file)


def test_sighup(wanted: Callable[..., Settings], awry: Awry, report: Json) -> None:
    """SIGHUP switches it on and off; a token that can't be read changes nothing."""
    on = wanted(awry.url)
    off = on.model_copy(update={"build_description": False})
    running = create_app(off, QUICK)
    with TestClient(running, base_url="http://127.0.0.1:8525") as client:
        settled(client, post(client, of(awry.url, report, started_at=1)).json())
        reload(running, lambda: on)
        settled(client, post(client, of(awry.url, report, started_at=2)).json())
        wait_for(lambda: len(awry.written()) == 1)
        lost = on.model_copy(update={"jenkins_token_file": Path("/nowhere/token")})
        assert reload(running, lambda: lost).jenkins_token_file == on.jenkins_token_file
        reload(running, lambda: off)
        settled(client, post(client, of(awry.url, report, started_at=3)).json())
        time.sleep(0.3)
    assert len(awry.written()) == 1


def test_the_queue_is_bounded(wanted: Callable[..., Settings], awry: Awry, report: Json) -> None:
    """Of too many reports the oldest are left out, and the log says so once."""
    patient = replace(AMPLE.description, max_waiting=2, delay=HANG, grace=PATIENCE)
    limits = replace(AMPLE, description=patient)
    with capture_logs() as logs, serve(wanted(awry.url), limits) as client:
        for number in range(1, 6):
            settled(client, post(client, of(awry.url, report, started_at=number)).json())
        assert awry.requests == []
    assert len(awry.written()) == 2  # what waits is written at the stop
    assert reasons(logs, "description.left") == ["over 2 wait for Jenkins"]


def test_the_latest_state_wins(
    wanted: Callable[..., Settings],
    awry: Awry,
    report: Json,
    postfix: PostfixStandIn,
) -> None:
    """Changes that follow each other at once are written once."""
    patient = replace(AMPLE.description, delay=HANG, grace=PATIENCE)
    limits = replace(SOON, description=patient)
    postfix.data = ["451 4.3.0 later", "451 4.3.0 still"]
    with serve(wanted(awry.url), limits) as client:
        settled(client, post(client, of(awry.url, report)).json())
    assert awry.written() == ["kept\nMail by notify-email: accepted by Postfix for 1 recipient"]
    assert [method for method, _, _ in awry.requests] == ["GET", "POST"]


def test_nothing_new_is_not_written(
    wanted: Callable[..., Settings], awry: Awry, report: Json
) -> None:
    """A description that has the line already is not written again."""
    there = json.dumps({"description": f"kept\n{ACCEPTED}"}).encode()
    awry.answers = [(200, {}, there)]
    with serve(wanted(awry.url), QUICK) as client:
        post(client, of(awry.url, report))
        wait_for(lambda: len(awry.requests) == 1)
        time.sleep(0.2)
    assert awry.written() == []
