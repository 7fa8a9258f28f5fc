"""The installed service under attack: honest callers are served, and memory is bounded."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import trustme

from pyservice.auth import tokens
from pyservice.config.sources import PREFIX
from tests.builders.connections import POST, answered
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port
from tests.python.conftest import Json, PostfixStandIn, wait_for

COMMAND = Path(sys.executable).parent / "notify-email"


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    """This process has many connections, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class Victim:
    """A running `notify-email serve`."""

    port: int
    process: psutil.Process
    log: Path
    session: requests.Session
    url: str

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses."""
        return int(self.process.memory_info().rss)

    def connect(self) -> socket.socket:
        """A TCP connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def lines(self, event: str) -> list[str]:
        """The lines of its log about this."""
        return [line for line in self.log.read_text().splitlines() if event in line]


@contextmanager
def victim(
    folder: Path,
    postfix: PostfixStandIn,
    *,
    tls: bool = False,
    descriptors: str = "1024:8192",
    **settings: str,
) -> Iterator[Victim]:
    """Start the service in a process of its own, with so many descriptors (soft:hard)."""
    port = free_port()
    authority = trustme.CA()
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    if tls:
        made = authority.issue_cert("127.0.0.1")
        (folder / "crt.pem").write_bytes(made.cert_chain_pems[0].bytes())
        (folder / "key.pem").write_bytes(made.private_key_pem.bytes())
        settings |= {"tls_cert": str(folder / "crt.pem"), "tls_key": str(folder / "key.pem")}
    settings |= {
        "port": str(port),
        "smtp_port": str(postfix.port),
        "database_url": f"sqlite:///{folder}/outbox.db",
        "sender": "jenkins@ci.example.com",
    }
    environment = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    log = folder / "log"
    with log.open("w") as output, requests.Session() as session:
        session.trust_env = False
        session.verify = str(folder / "ca.pem")
        process = subprocess.Popen(
            ["prlimit", f"--nofile={descriptors}", COMMAND, "serve"],
            env=os.environ | environment,
            stderr=output,
        )
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        made_victim = Victim(port, psutil.Process(process.pid), log, session, url)
        try:
            wait_for(lambda: "service.started" in log.read_text(), log.read_text)
            # Not kept open: an idle connection is the first to be closed where there are too many.
            healthy = session.get(
                f"{url}/healthz", headers={"Connection": "close"}, timeout=PATIENCE
            )
            assert healthy.status_code == 200
            yield made_victim
        finally:
            process.terminate()
            process.wait(PATIENCE)


def report_number(report: Json, number: int) -> Json:
    """A report of another build."""
    return report | {"build": report["build"] | {"number": number}}


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has neither sent anything nor closed it."""
    connection.setblocking(False)
    with suppress(BlockingIOError):
        return connection.recv(1) != b""
    return True


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_silent_connections(
    tls: bool, tmp_path: Path, postfix: PostfixStandIn, report: Json
) -> None:
    """1,200 of them take no service from anybody, and neither memory nor log from the node."""
    with victim(tmp_path, postfix, tls=tls) as service, ExitStack() as stack:
        before = service.memory
        for number in range(1, 1201):
            silent = stack.enter_context(service.connect())
            if number % 2:
                silent.sendall(b"\x16" if tls else b"P")
            if number <= 800 or number % 20:
                continue
            # Each over a connection of its own, as Jenkins does.
            posted = service.session.post(
                f"{service.url}/v1/reports",
                json=report_number(report, number),
                headers={"Connection": "close"},
                timeout=PATIENCE,
            )
            assert posted.status_code == 202
            assert is_open(silent), "its time is over only after others are served"
        assert service.memory - before < 100 * 1024 * 1024
        # On a busy machine the first ones' time is over meanwhile, which is a line each.
        logged = service.log.read_text().splitlines()
        assert len([line for line in logged if '"status": 408' not in line]) < 100


def test_few_descriptors(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """Connections leave some for all else: reports are accepted and mailed."""
    with victim(tmp_path, postfix, descriptors="128:128") as service, ExitStack() as stack:
        for _ in range(180):
            stack.enter_context(service.connect())
        posted = service.session.post(f"{service.url}/v1/reports", json=report, timeout=PATIENCE)
        assert posted.status_code == 202
        wait_for(lambda: len(postfix.mails) == 1)
        assert len(service.log.read_text().splitlines()) < 20, service.log.read_text()


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_strangers_do_not_fill_the_log(
    tls: bool, tmp_path: Path, postfix: PostfixStandIn, report: Json
) -> None:
    """What is no HTTP or no form, a missing token, a foreign page: few lines for many requests."""
    tokens_file = tmp_path / "tokens.toml"
    tokens.new(tokens_file, "ci")
    with victim(tmp_path, postfix, tls=tls, tokens_file=str(tokens_file)) as service:
        before = len(service.log.read_text().splitlines())
        for number in range(100):
            with service.connect() as connection:
                connection.sendall(b"no HTTP\r\n\r\n")
                connection.recv(1)
            foreign = {"Origin": "https://evil.example", "Upgrade": "websocket"}
            for headers in ({}, foreign | {"Connection": "upgrade"}):
                refused = service.session.post(
                    f"{service.url}/v1/reports",
                    json=report_number(report, number + 1),
                    headers=headers,
                    timeout=PATIENCE,
                )
                assert refused.status_code in {401, 403}
            no_form = service.session.post(
                f"{service.url}/login",
                data=b"x",
                headers={"Content-Type": "multipart/form-data; boundary=y"},
                timeout=PATIENCE,
            )
            assert no_form.status_code == 400
        logged = service.log.read_text().splitlines()[before:]
        # A line for each kind, and on a slow machine another one after ten seconds.
        assert len(logged) < 20, logged
        kinds = {"request.refused", "connection.refused"}
        assert {json.loads(line)["event"] for line in logged} <= kinds
        assert {json.loads(line).get("status") for line in logged} >= {401, 403}


def test_bodies_without_end(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """150 bodies that lack one byte take 32 MiB together, and honest callers are served."""
    mib = 1024 * 1024
    with victim(tmp_path, postfix) as service, ExitStack() as stack:
        before = service.memory
        kept = []
        for number in range(150):
            connection = stack.enter_context(service.connect())
            connection.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % mib)
            connection.sendall(b" " * (mib - 1))
            kept.append(connection)
            if number % 20 == 0:
                body = report_number(report, number + 1)
                posted = service.session.post(
                    f"{service.url}/v1/reports", json=body, timeout=PATIENCE
                )
                assert posted.status_code == 202
        assert service.memory - before < 100 * mib
        status, headers, body_ = answered(kept[0])
        assert (status, headers["retry-after"]) == (503, "30")
        assert b"too many large requests" in body_
