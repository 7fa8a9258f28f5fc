"""What the doctor says of the service: port, certificate, readiness, token, Jenkins' way to it."""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from pyservice.auth import tokens
from pyservice.cli.doctor import _service, _service_url
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError
from pyservice.setup.doctor import checks, pod_script
from pyservice.setup.doctor.diagnose import examine
from pyservice.setup.doctor.mail_path import Options
from pyservice.setup.doctor.service_path import Service, examine_service
from pyservice.setup.service_answer import HttpAnswer, ServiceAnswer
from pyservice.web.tls import Certificate
from tests.builders.connections import running
from tests.builders.doctor import EHLO, GREETING, OK, a_node, saying
from tests.builders.patience import PATIENCE, TIMEOUT
from tests.builders.ports import free_port
from tests.python.conftest import listening

Scripted = Callable[[Callable[[socket.socket], None]], int]
DAY = timedelta(days=1)


def found(service: Service) -> list[str]:
    """Return the ids of what is wrong with the service."""
    return [finding.id for finding in examine_service(service, PATIENCE, lambda _text: None)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The paths of a certificate and its key."""
    return tmp_path / "tls.crt", tmp_path / "tls.key"


def issue(authority: trustme.CA, files: tuple[Path, Path], name: str, ends: datetime) -> None:
    """Write a certificate and its key."""
    made = authority.issue_cert(name, not_before=ends - 9 * DAY, not_after=ends)
    files[0].write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    files[1].write_bytes(made.private_key_pem.bytes())


def test_a_service_that_is_stopped() -> None:
    """Where the settings of this node let it listen it is down, elsewhere it can't be reached."""
    url = f"http://127.0.0.1:{free_port()}"
    assert found(Service((url,), is_own=True)) == ["service-down"]
    assert found(Service((url,))) == ["service-unreachable"]
    assert found(Service(("http://no-such-host.invalid",))) == ["service-unreachable"]


def test_its_token(settings: Settings, tmp_path: Path) -> None:
    """A token that it does not know is a finding; without one none is needed here."""
    file = tmp_path / "tokens.toml"
    token = tokens.new(file, "ci")
    with listening(settings.model_copy(update={"tokens_file": file})) as (host, port):
        url = f"http://{host}:{port}"
        assert found(Service((url,), token)) == []
        assert found(Service((url,))) == []
        assert found(Service((url,), "ne_unknown")) == ["token-refused"]


def test_a_service_that_is_not_ready(settings: Settings) -> None:
    """The finding says which check fails, and why."""
    with listening(settings.model_copy(update={"smtp_port": free_port()})) as (host, port):
        [finding] = examine_service(
            Service((f"http://{host}:{port}",)), PATIENCE, lambda _text: None
        )
    assert finding.id == "service-not-ready"
    assert "is not ready: postfix: " in finding.sentence
    assert finding.cure.startswith("journalctl -u notify-email")


def test_its_certificate(
    settings: Settings, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its authority and its name count, except where it is this node's own; so does the scheme."""
    authority, port_of = trustme.CA(), "http://127.0.0.1:{}"
    issue(authority, files, "mail.example.com", datetime.now(UTC) + DAY)
    with running(settings, Certificate(*files)) as port:
        url = f"https://127.0.0.1:{port}"
        assert found(Service((url,), certificate=files[0], is_own=True)) == []
        assert found(Service((url,))) == ["service-certificate"]
        known = files[0].with_name("authority.pem")
        known.write_bytes(authority.cert_pem.bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(known))
        [finding] = examine_service(Service((url,)), PATIENCE, lambda _text: None)
        assert finding.sentence.endswith("it is for another name")
        assert found(Service((port_of.format(port),))) == ["not-the-service"]
    with running(settings) as port:
        assert found(Service((f"https://127.0.0.1:{port}",))) == ["not-the-service"]


@pytest.mark.parametrize("url", ["http://x:99999", "http://[x", "ftp://x", "x", "http://", "\x1b"])
def test_what_is_no_url(url: str) -> None:
    """An option that is none is refused; in Jenkins it is a finding, as any that is not there."""
    with pytest.raises(ConfigurationError, match="--service-url must be"):
        _service_url(url)
    answer = ServiceAnswer(url, "MalformedURLException: no")
    [finding] = checks.check_service({}, answer)
    assert finding.id == "service-unreachable"
    assert finding.cure in {"ss -ltnp sport = :8525", "ss -ltnp sport = :80"}


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    """The setting is named."""
    for text in (None, "no certificate"):
        file = tmp_path / "tls.crt"
        if text is not None:
            file.write_text(text)
        with pytest.raises(ConfigurationError, match=f"NOTIFY_EMAIL_TLS_CERT {file} can't be read"):
            found(Service(("https://127.0.0.1:1",), certificate=file, is_own=True))


def test_a_certificate_that_has_expired(scripted: Scripted, files: tuple[Path, Path]) -> None:
    """On its own node, too: the service reads a new one when the file changes, not the clock."""
    issue(trustme.CA(), files, "127.0.0.1", datetime.now(UTC) - DAY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    def converse(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    url = f"https://127.0.0.1:{scripted(converse)}"
    service = Service((url,), certificate=files[0], is_own=True)
    [finding] = examine_service(service, PATIENCE, lambda _text: None)
    assert finding.sentence.endswith("it has expired")


def test_something_else_at_its_port(scripted: Scripted) -> None:
    """Another server is no service, whatever it says; and what it says draws on no terminal."""
    html = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    assert found(Service((f"http://127.0.0.1:{scripted(saying(html))}",))) == ["not-the-service"]
    port = scripted(saying("220 \x1b[2J mail ESMTP"))
    [finding] = examine_service(
        Service((f"http://127.0.0.1:{port}",)), PATIENCE, lambda _text: None
    )
    assert finding.sentence.isprintable()


def test_a_node_reads_the_settings_of_its_service(tmp_path: Path, scripted: Scripted) -> None:
    """With the service stopped not all is well, since its settings say that it should listen."""
    config = tmp_path / "settings.toml"
    config.write_text(f"port = {free_port()}\n")
    node = a_node(is_container=False)
    service = _service(None, None, config, node)
    port = scripted(saying(GREETING, EHLO, OK, OK, "221 Bye"))
    options = Options("a@example.com", "b@example.com", port=port, timeout=PATIENCE)
    diagnosis = examine(node, options, service=service)
    assert [finding.id for finding in diagnosis.findings if finding.is_error] == ["service-down"]
    assert any(line.text.startswith(f"GET {service.urls[0]}/") for line in diagnosis.lines)
    assert "journalctl -u notify-email" in diagnosis.findings[0].cure
    assert not diagnosis.is_well
    config.write_text("port = 70000\n")
    with pytest.raises(ConfigurationError, match="port"):
        _service(None, None, config, node)


def test_what_was_not_checked(scripted: Scripted, tmp_path: Path) -> None:
    """It is named, with the option that checks it; what was checked is named, too."""
    config = tmp_path / "settings.toml"
    config.write_text("")
    node = a_node(is_container=True)
    port = scripted(saying(GREETING, EHLO, OK, OK, "221 Bye"))
    options = Options("a@example.com", "b@example.com", port=port, timeout=PATIENCE)
    diagnosis = examine(node, options, service=_service(None, None, config, node))
    assert f"Postfix at 127.0.0.1:{port}" in diagnosis.checked
    assert "the relay host: give --send-to ADDRESS" in diagnosis.not_checked
    assert "the service: give --service-url URL" in diagnosis.not_checked
    absent = _service(None, None, config, a_node(is_container=False))
    assert absent.urls == ()
    assert absent.not_checked.startswith("the service: none is set up here, and nothing listens")


READY = HttpAnswer(200, '{"status":"ok"}')
LIBRARY = {"defaultVersion": "v0.1.0"}
URL = {"NOTIFY_EMAIL_URL": "http://x"}


@pytest.mark.parametrize(
    ("variables", "library", "expected"),
    [
        (URL, LIBRARY, []),
        (URL, {}, [("library-missing", True)]),
        (URL, None, [("library-missing", True)]),
        ({}, LIBRARY, [("service-url-missing", True)]),
        ({}, {}, [("library-missing", False), ("service-url-missing", False)]),
    ],
)
def test_what_jenkins_has(
    variables: dict[str, str], library: dict[str, str] | None, expected: list[tuple[str, bool]]
) -> None:
    """Library and URL go together; a Jenkins with neither may only send its own mails."""
    findings = checks.check_library({"variables": variables, "library": library})
    assert [(finding.id, finding.is_error) for finding in findings] == expected


@pytest.mark.parametrize(
    ("answer", "transport", "expected"),
    [
        (ServiceAnswer("http://x", health=READY, ready=READY, reports=READY), None, []),
        (ServiceAnswer("http://x", "ConnectException"), None, [("service-unreachable", True)]),
        (ServiceAnswer("http://x", "ConnectException"), "shell", [("service-unreachable", False)]),
        (
            ServiceAnswer("http://x", health=READY, ready=READY, reports=HttpAnswer(401, "{}")),
            "controller",
            [("token-refused", True)],
        ),
    ],
)
def test_what_a_controller_sees(
    answer: ServiceAnswer, transport: str | None, expected: list[tuple[str, bool]]
) -> None:
    """It is a note where the agents send the reports."""
    settings = {"variables": URL | ({"NOTIFY_EMAIL_TRANSPORT": transport} if transport else {})}
    findings = checks.check_service(settings, answer)
    assert [(finding.id, finding.is_error) for finding in findings] == expected


PROGRAMS = [
    ["bash"],
    pytest.param(["sh"], marks=pytest.mark.testbed),
    [sys.executable, "-S", "-I", "-"],
]


def pod(program: list[str], port: int, url: str, **environment: str) -> tuple[int, str]:
    """Run a pod's script, and return its exit code and its output."""
    options = Options("a@example.com", "b@example.com", port=port, timeout=PATIENCE)
    is_python = program[-1] == "-"
    text = pod_script.script(options, "127.0.0.1", python=is_python, service_url=url)
    done = subprocess.run(
        program,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        env=os.environ | environment,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_service_seen_from_a_pod(
    scripted: Scripted, settings: Settings, files: tuple[Path, Path], program: list[str]
) -> None:
    """The scripts name the same findings."""

    def smtp() -> int:
        return scripted(saying(GREETING, EHLO, OK, OK, "221 Bye"))

    with listening(settings) as (host, port):
        url = f"http://{host}:{port}"
        code, output = pod(program, smtp(), url)
        assert code == 0, output
        assert f" and the service at {url}. Nothing was sent" in output
    code, output = pod(program, smtp(), url)
    assert code == 1
    assert "Finding service-unreachable: this pod does not reach" in output, output
    assert f"ss -ltnp sport = :{port}" in output
    html = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
    with listening(settings.model_copy(update={"smtp_port": free_port()})) as (host, port):
        output = pod(program, smtp(), f"http://{host}:{port}")[1]
        assert "Finding service-not-ready: " in output, output
    issue(trustme.CA(), files, "127.0.0.1", datetime.now(UTC) + DAY)
    with running(settings, Certificate(*files)) as port:
        output = pod(program, smtp(), f"https://127.0.0.1:{port}")[1]
        assert "Finding service-certificate: " in output, output
    if program[-1] == "-":  # curl sends a second request
        output = pod(program, smtp(), f"http://127.0.0.1:{scripted(saying(html))}")[1]
        assert "Finding not-the-service: " in output, output


def test_a_pod_with_no_way_to_ask(scripted: Scripted) -> None:
    """A shell without curl and wget says that it did not check the service."""
    port = scripted(saying(GREETING, EHLO, OK, OK, "221 Bye"))
    options = Options("a@example.com", "b@example.com", port=port, timeout=PATIENCE)
    text = pod_script.script(options, "127.0.0.1", python=False, service_url="http://127.0.0.1:1")
    command = "PATH=/nowhere; . /dev/stdin"
    done = subprocess.run(
        ["bash", "-c", command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert "The service was not checked: this pod has neither curl nor wget." in done.stdout
    assert "and the service at" not in done.stdout
