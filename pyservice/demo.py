"""`notify-email demo`: sends the report of a recorded build on this machine, and shows the mail.

The service runs as on a node, and gets the report over HTTP, as from the Pipeline step. Unless a
recipient is given, an SMTP catcher in this process takes the mail.
"""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from pyservice import samples
from pyservice.config.settings import PORT, Settings
from pyservice.errors import ConfigurationError, NotFoundError
from pyservice.preview import parts
from pyservice.setup.node.detect import MailServer, detect_node, find_mail_server
from pyservice.web import server
from pyservice.web.app import create_app
from pyservice.web.pages.mails import list_page, mail_page
from pyservice.web.pages.page import mail_part
from pyservice.web.routes.preview import PartQuery, ViewQuery

SAMPLE = "2-compile-error"
Say = Callable[[str, str], None]
"""Prints one line: what, and its value."""


class Inbox:
    """An SMTP server that keeps each mail as a numbered .eml file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep one mail."""
        number = len(self.files()) + 1
        assert isinstance(envelope.content, bytes)  # noqa: S101 - decode_data is off
        (self._folder / f"{number}.eml").write_bytes(envelope.content)
        return f"250 2.0.0 Ok: queued as DEMO{number}"

    def files(self) -> list[Path]:
        """Return the mails, in the order in which they came."""
        return sorted(self._folder.glob("*.eml"), key=lambda file: int(file.stem))

    def routes(self) -> APIRouter:
        """Return the pages that show the mails."""
        router = APIRouter(prefix="/demo", include_in_schema=False)

        @router.get("/inbox")
        def get_inbox(request: Request) -> Response:
            links = [
                (f"/demo/inbox/{f.stem}", parts.subject(f.read_bytes()), f.name)
                for f in self.files()
            ]
            about = "What the demo's SMTP catcher took."
            return list_page(request, "Caught mails", about, links)

        @router.get("/inbox/{number}")
        def get_mail(
            request: Request, number: int, part: PartQuery = None, view: ViewQuery = "desktop"
        ) -> Response:
            file = self._folder / f"{number}.eml"
            if not file.is_file():
                raise NotFoundError("There is no such mail.")
            if part is not None:
                return mail_part(file.read_bytes(), part)
            mail = file.read_bytes()
            return mail_page(
                request, mail, title=file.name, view=view, back=("/demo/inbox", "All mails")
            )

        return router


def run(to: str | None, *, config: Path | None, once: bool, say: Say) -> bool:
    """Run the demo, and return whether the mail was accepted.

    Args:
        to: send to this address through the node's Postfix; None: into the catcher.
        config: the settings file, for sender and templates; None: the usual one.
        once: end as soon as the mail is accepted or has failed, else when interrupted.
        say: prints what happens.

    Raises:
        ConfigurationError: there is no Postfix to send through, or a setting is wrong.
    """
    bridge = detect_node().bridge
    relay = find_mail_server(bridge)
    if relay is None:
        tried = f"{bridge.address} ({bridge.interface}) or 127.0.0.1" if bridge else "127.0.0.1"
        say("Postfix", f"none answers on port 25 of {tried}")
    else:
        where = f"{bridge.interface}, " if bridge and relay.host == bridge.address else ""
        say("Postfix", f"found on this node at {where}{relay.host}:{relay.port}: {relay.greeting}")
    folder = Path(tempfile.mkdtemp(prefix="notify-email-demo-"))
    inbox = Inbox(folder / "inbox")
    with _destination(to, relay, inbox, say) as (host, port):
        settings = _settings(
            config,
            database_url=f"sqlite:///{folder}/outbox.db",
            smtp_host=host,
            smtp_port=port,
            port=_free_port(PORT),
            listen=("127.0.0.1",),
        )
        app = create_app(settings)
        app.include_router(inbox.routes())
        with _served(app, settings):
            base = f"http://127.0.0.1:{settings.port}"
            accepted = _send(base, to or "team@example.com", inbox, say)
            say("Previews", f"{base}/preview")
            say("API", f"{base}/docs")
            if once:
                say("Ended", "the links work while the demo runs: leave --once (or ONCE=1) out")
            else:
                say("Stop", "Ctrl-C")
                _wait_for_interrupt()
    return accepted


def _settings(config: Path | None, **own: Any) -> Settings:
    """Return the demo's own settings, with the machine's sender and templates."""
    machine = Settings.load(config, **own)
    return Settings(sender=machine.sender, templates_dir=machine.templates_dir, **own)


@contextmanager
def _destination(
    to: str | None, relay: MailServer | None, inbox: Inbox, say: Say
) -> Iterator[tuple[str, int]]:
    if to is not None:
        if relay is None:
            raise ConfigurationError(
                "No Postfix answers on this node, so nothing can be sent to "
                f"{to}. Install one (apt-get install postfix), or leave --to (or TO) out."
            )
        say("Mail goes", f"to {to}, through this node's Postfix at {relay.host}")
        yield relay.host, relay.port
        return
    controller = Controller(inbox, hostname="127.0.0.1", port=_free_port(0), ready_timeout=30)
    controller.start()
    try:
        say(
            "Mail goes",
            f"into a catcher inside this demo (127.0.0.1:{controller.port}): "
            "nothing leaves this machine",
        )
        say("", "send it for real, through this node's Postfix: make demo TO=me@my.domain")
        yield "127.0.0.1", controller.port
    finally:
        controller.stop()


@contextmanager
def _served(app: FastAPI, settings: Settings) -> Iterator[None]:
    listener = server.bind(settings.listen, settings.port)
    service = server.server(app)
    thread = threading.Thread(target=service.run, kwargs={"sockets": listener}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        service.should_exit = True
        thread.join()


def _send(base: str, to: str, inbox: Inbox, say: Say) -> bool:
    report = samples.load(SAMPLE)
    build = report.build
    say("Report", f"{build.full_display_name}, {build.result}: recorded from a real Jenkins")
    body = report.model_dump(mode="json", exclude_none=True) | {"mail": {"to": to}}
    response = _http().post(f"{base}/v1/reports", json=body, timeout=10)
    if response.status_code != 202:
        say("Refused", response.json()["detail"])
        return False
    answer = response.json()
    say("POST", f"{base}/v1/reports → 202, report {answer['id']}")
    status = _wait_for_end(base + answer["status_url"], say)
    say("Status", base + answer["status_url"])
    if status["state"] == "accepted":
        say("Accepted", status["history"][-1]["note"])
        say("Queue ID", status["queue_id"])
    else:
        say("Not sent", f"{status['state']}: {status['error']}")
    for file in inbox.files():
        say("Mail", str(file))
        say("Look at it", f"{base}/demo/inbox/{file.stem}")
    say("Preview", base + answer["preview_url"])
    return bool(status["state"] == "accepted")


def _wait_for_end(status_url: str, say: Say, *, seconds: float = 60) -> dict[str, Any]:
    """Wait until the mail is accepted or has failed, and print once why an attempt failed."""
    ends = time.monotonic() + seconds
    has_said_why = False
    while True:
        status: dict[str, Any] = _http().get(status_url, timeout=10).json()
        if status["state"] in {"accepted", "failed"} or time.monotonic() > ends:
            return status
        if status["error"] and not has_said_why:
            say("Waiting", status["error"])
            has_said_why = True
        time.sleep(0.05)


def _http() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy can't reach this machine's loopback
    return session


def _free_port(wanted: int) -> int:
    """Return `wanted` if no program listens there, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigurationError("There is no free port on 127.0.0.1.")


def _wait_for_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
