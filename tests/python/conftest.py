"""A service, and an SMTP server in this process that misbehaves as a test wants."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.config.settings import Settings
from pyservice.config.sources import PREFIX
from pyservice.web.app import create_app
from pyservice.web.limits import Limits
from pyservice.web.server import bind, server
from tests.builders.limits import AMPLE
from tests.builders.owned import make_folder
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port
from tests.controller.recorded import RecordedJenkins
from tests.controller.standin import StandIn

Json = dict[str, Any]

# A busy machine is slow, and no test is about that.
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    derandomize="SAME_EXAMPLES" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")

LOCAL = "http://127.0.0.1:8525"


# A shell's background job ignores it, and so would all programs that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's settings from the tests."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("pyservice.config.sources.FILE", tmp_path / "absent.toml")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


class PostgreSQL:
    """A PostgreSQL server for the tests, on a socket in a folder."""

    def __init__(self) -> None:
        [self._binaries] = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
        self._folder = make_folder()
        shutil.chown(self._folder, "postgres", "postgres")
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._folder}"
        """The URL of its database."""
        made = subprocess.run(
            [
                *_AS_POSTGRES,
                self._binaries / "initdb",
                "-D",
                self._data,
                "-A",
                "trust",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        command = (*("-D", self._data), *("-k", self._folder), *("-c", "listen_addresses="))
        with (self._folder / "log").open("a") as log:
            self._server = subprocess.Popen(
                [*_AS_POSTGRES, self._binaries / "postgres", *command], stdout=log, stderr=log
            )
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", str(self._folder)]
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        stop = (self._binaries / "pg_ctl", "-D", self._data, "-s", "-m", "fast", "stop")
        subprocess.run([*_AS_POSTGRES, *stop], check=True)
        self._server.wait(PATIENCE)

    def remove(self) -> None:
        """Stop it, and remove its files."""
        self.stop()
        shutil.rmtree(self._folder)


_AS_POSTGRES = (
    *("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"),
    *("--pdeathsig", "INT", "--"),  # it ends with the tests, even if they are killed
)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """One running server for all tests."""
    server = PostgreSQL()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgresql(postgresql_server: PostgreSQL) -> str:
    """The URL of its database."""
    return postgresql_server.url


@pytest.fixture
def shared_url(postgresql: str) -> str:
    """The URL of an empty database of the server."""
    engine = sa.create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return postgresql


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/outbox.db"
    return str(request.getfixturevalue("shared_url"))


@pytest.fixture
def report() -> Json:
    """The recorded failing build, addressed to one person, as a request's body."""
    body = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    return body | {"mail": {"to": ["ada@example.com"]}}


@dataclass
class Caught:
    """A mail that the SMTP server took."""

    sender: str
    recipients: list[str]
    content: bytes


@dataclass
class PostfixStandIn:
    """An SMTP server that answers as Postfix does, or as a test says.

    `rcpt` maps a recipient to a reply, `data` is the reply to the final dot; `data_hook` runs
    before it.
    """

    mails: list[Caught] = field(default_factory=list)
    rcpt: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    data_hook: Callable[[SMTP], None] | None = None
    sessions: int = 0
    ended: int = 0
    """Conversations that the client has ended with QUIT."""
    port: int = 0

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self,
        _server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Count the conversations."""
        session.host_name = hostname
        self.sessions += 1
        return responses

    async def handle_QUIT(  # noqa: N802
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        """Count the ends."""
        self.ended += 1
        return "221 2.0.0 Bye"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        reply = self.rcpt.get(address, "250 2.1.5 Ok")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take or refuse a mail."""
        if self.data_hook:
            self.data_hook(server)
        reply = self.data.pop(0) if self.data else ""
        if reply and not reply.startswith("250"):
            return reply
        assert envelope.mail_from is not None
        assert isinstance(envelope.content, bytes)
        self.mails.append(Caught(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return reply or f"250 2.0.0 Ok: queued as 4Q{len(self.mails):04d}"


@pytest.fixture
def jenkins(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedJenkins]:
    """A controller that answers what was recorded, and that is reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "*")
    made = RecordedJenkins()
    yield made
    made.close()


def smtp_server(stand_in: PostfixStandIn) -> Controller:
    """The stand-in's server, in a thread of its own."""
    return Controller(stand_in, hostname="127.0.0.1", port=stand_in.port, ready_timeout=PATIENCE)


@pytest.fixture
def postfix() -> Iterator[PostfixStandIn]:
    """A Postfix that takes every mail; tests change it."""
    stand_in = PostfixStandIn(port=free_port())
    controller = smtp_server(stand_in)
    controller.start()
    yield stand_in
    controller.stop()


def ask(url: str, text: str) -> str:
    """POST a text, and return the answer's."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, text.encode()), timeout=PATIENCE) as answer:
        body: str = answer.read().decode()
        return body


@pytest.fixture(scope="session")
def _standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    def start(*command: str, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            environment = {"PATH": os.environ["PATH"]}
            return subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    home = tmp_path_factory.mktemp("jenkins")
    made = StandIn(home, start, "127.0.0.1", free_port(), listen="127.0.0.1")
    try:
        made.wait(ask)
        yield made
    finally:
        made.stop()


@pytest.fixture
def controller(_standin: StandIn) -> StandIn:
    """Jenkins' stand-in, as new."""
    _standin.renew(ask)
    return _standin


@pytest.fixture
def settings(tmp_path: Path, postfix: PostfixStandIn) -> Settings:
    """Settings for a service on a temporary outbox."""
    return Settings(
        database_url=f"sqlite:///{tmp_path}/outbox.db",
        smtp_port=postfix.port,
        sender="Jenkins <jenkins@ci.example.com>",
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The running service. An unhandled error would be a 500, as in life."""
    with serve(settings) as client:
        yield client


def serve(settings: Settings, limits: Limits = AMPLE) -> TestClient:
    """A service as a context manager that gives its client."""
    return TestClient(create_app(settings, limits), base_url=LOCAL, raise_server_exceptions=False)


def post(client: TestClient, body: Json | bytes, **headers: str) -> Any:
    """POST a report."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(
        "/v1/reports",
        content=content,
        headers={"content-type": "application/json"}
        | {k.replace("_", "-"): v for k, v in headers.items()},
    )


def settled(client: TestClient, answer: Json, *, state: str = "accepted") -> Json:
    """Wait until a report is in `state`, and return its status."""
    status: Json = {}

    def reached() -> bool:
        status.update(client.get(answer["status_url"]).json())
        return bool(status["state"] == state and (state != "queued" or status["error"]))

    wait_for(reached, lambda: f"{state} was not reached: {status}")
    return status


def wait_for(condition: Callable[[], bool], message: Callable[[], str] = lambda: "") -> None:
    """Poll until a condition holds; a busy machine has time enough."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, message()
        time.sleep(0.02)


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """A function that starts a server for one connection and a conversation; gives its port."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(conversation: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                conversation(connection)

        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def listening(
    settings: Settings, limits: Limits = AMPLE, *, grace: int | None = None
) -> Iterator[tuple[str, int]]:
    """A service on a socket of loopback, as in life: its address and port.

    Args:
        settings: its settings.
        limits: of all its parts.
        grace: seconds in which answers under way may end when it stops; None: as in life.
    """
    [listener] = bind(("127.0.0.1",), 0)
    running = server(create_app(settings, limits))
    if grace is not None:
        running.config.timeout_graceful_shutdown = grace
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: running.started)
        yield listener.getsockname()
    finally:
        running.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
