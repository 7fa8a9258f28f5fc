"""What a controller sees of the service: a note of plan and apply, and a line of status."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pyservice.auth import tokens
from pyservice.config.settings import Settings
from pyservice.setup.service_answer import HttpAnswer, ServiceAnswer
from tests.builders.command import run
from tests.builders.ports import free_port
from tests.controller.standin import TOKEN, StandIn
from tests.python.conftest import PostfixStandIn, listening


def jenkins(controller: StandIn, *arguments: str) -> str:
    """Run `notify-email jenkins …` as the administrator, and return what it prints."""
    own = {"URL": controller.url, "USER": "admin", "TOKEN": TOKEN}
    environment = {f"NOTIFY_EMAIL_JENKINS_{name}": value for name, value in own.items()}
    done = run("jenkins", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_that_is_not_there(
    controller: StandIn, postfix: PostfixStandIn, settings: Settings, tmp_path: Path
) -> None:
    """Plan and apply note it, and apply all the same; a service that is ready gets no note."""
    server = ("--address", "127.0.0.1", "--port", str(postfix.port))
    away = f"http://127.0.0.1:{free_port()}"
    note = f"The service does not answer the controller at {away}: ConnectException: "
    planned = jenkins(controller, "plan", *server, "--service-url", f"{away}/")
    assert f"\n  Note: {note}" in planned
    applied = json.loads(jenkins(controller, "apply", *server, "--service-url", away, "--json"))
    assert applied["applied"]
    assert any(text.startswith(note) for text in applied["notes"])
    shown = jenkins(controller, "status")
    assert f"Service     {away} does not answer the controller: ConnectException" in shown
    file = tmp_path / "service-token"
    file.write_text(tokens.new(tmp_path / "tokens.toml", "ci"))
    with_tokens = settings.model_copy(update={"tokens_file": tmp_path / "tokens.toml"})
    with listening(with_tokens) as (host, port):
        url = f"http://{host}:{port}"
        options = (*server, "--service-url", url, "--service-token-file", str(file))
        assert "Note: The service" not in jenkins(controller, "apply", *options)
        status = json.loads(jenkins(controller, "status", "--json"))
        assert status["service"] == {"url": url, "fault": None}
    heard: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status":"ok"}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever).start()
        other_url = f"http://127.0.0.1:{other.server_port}"
        jenkins(controller, "plan", *server, "--service-url", other_url)
        other.shutdown()
    assert [text.split()[0] for text in heard] == ["/healthz", "/readyz", "/v1/reports?limit=1"]
    assert not any("Authorization" in text for text in heard)  # the token is for Jenkins' own URL
    assert file.read_text() not in controller.log()


OK, NO_TOKEN = (
    HttpAnswer(200, '{"status":"ok"}'),
    HttpAnswer(401, '{"detail":"A token is needed."}'),
)
UNREADY = HttpAnswer(
    503, '{"status":"unavailable","checks":{"outbox":"ok","postfix":"connection refused"}}'
)
PKIX = "SSLHandshakeException: PKIX path {}; CertPathValidatorException: {}"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ServiceAnswer("x", health=OK, ready=OK, reports=OK), None),
        (ServiceAnswer("x", health=OK, ready=OK, reports=HttpAnswer(403, "{}")), None),
        (
            ServiceAnswer("x", health=OK, ready=OK, reports=NO_TOKEN),
            ("token", "A token is needed."),
        ),
        (ServiceAnswer("x", health=OK, ready=UNREADY), ("unready", "postfix: connection refused")),
        (ServiceAnswer("x", health=OK, ready=HttpAnswer(500, "[")), ("unready", "it answers 500")),
        (ServiceAnswer("x", health=HttpAnswer(200, "<html>")), "foreign"),
        (ServiceAnswer("x", health=HttpAnswer(302, "")), "foreign"),
        (ServiceAnswer("x", health=HttpAnswer(200, "[" * 9999)), "foreign"),
        (ServiceAnswer("x", health=HttpAnswer(421, '{"detail":"no"}')), ("name", "no")),
        (ServiceAnswer("x", "ConnectException: Connection refused"), "unreachable"),
        (ServiceAnswer("x", "UnknownHostException: mail"), "unreachable"),
        (ServiceAnswer("x", "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "foreign"),
        (ServiceAnswer("x", "SSLException: Unsupported or unrecognized SSL message"), "foreign"),
        (ServiceAnswer("x", "SocketException: Unexpected end of file from server"), "foreign"),
        (
            ServiceAnswer("x", PKIX.format("validation failed", "validity check failed")),
            ("certificate", "it has expired"),
        ),
        (
            ServiceAnswer("x", PKIX.format("validation failed", "x; NotBefore: Mon Nov 30 2026")),
            ("certificate", "it is not valid yet"),
        ),
        (
            ServiceAnswer("x", PKIX.format("building failed", "unable to find valid path")),
            ("certificate", "no authority that is known there signed it"),
        ),
        (
            ServiceAnswer("x", "CertificateException: No subject alternative DNS name matching m"),
            ("certificate", "it is for another name"),
        ),
    ],
)
def test_what_an_answer_means(
    answer: ServiceAnswer, expected: tuple[str, str] | str | None
) -> None:
    """Each failure of a connection, a handshake or a request has its kind, and a reason."""
    fault = answer.fault
    assert expected == fault or (fault and expected == fault.kind)
