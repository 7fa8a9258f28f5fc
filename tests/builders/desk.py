"""A service on a bad day: an SMTP server that refuses what a test says, and a log like Postfix'."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyservice import samples
from pyservice.config.settings import Settings
from pyservice.delivery.retry import RetryPolicy
from pyservice.postfix.log_watcher import LogWatcherLimits
from pyservice.web.app import create_app
from pyservice.web.server import bind, server
from tests.builders.limits import AMPLE
from tests.builders.log_lines import CLIENT, LINE
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port
from tests.python.conftest import PostfixStandIn, smtp_server, wait_for

LIMITS = replace(
    AMPLE,
    delivery=replace(
        AMPLE.delivery, retry=RetryPolicy(first_delay=3600, longest_wait_for_postfix=3600)
    ),
    log_watcher=LogWatcherLimits(pause=0.1),
)
"""No next attempt comes by itself while a test looks, and the log is read at once."""


@dataclass
class Desk:
    """A running service, and what surrounds it."""

    base: str
    postfix: PostfixStandIn
    log: Path
    settings: Settings
    ids: dict[str, str] = field(default_factory=dict)
    """Of the reports that were posted, by job and number."""

    def post(self, sample: str, job: str, number: int, *to: str, **mail: Any) -> str:
        """Post a recorded build under another name, and return its report's ID."""
        report_id = str(self.send_sample(sample, job, number, *to, **mail)["id"])
        self.ids[f"{job} #{number}"] = report_id
        return report_id

    def send_sample(
        self, sample: str, job: str, number: int, *to: str, token: str = "", **mail: Any
    ) -> dict[str, Any]:
        """Post a recorded build under another name, and return the answer."""
        body = samples.load(sample).model_dump(mode="json", exclude_none=True, by_alias=True)
        build = body["build"] | {"job": job, "number": number}
        build["full_display_name"] = f"{job.replace('/', ' » ')} #{number}"
        return self.send(body | {"build": build, "mail": {"to": list(to), **mail}}, token)

    def send(self, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        """Post a report, and return the answer."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return _ask(f"{self.base}/v1/reports", headers, json.dumps(body).encode())

    def wait(self, report_id: str, state: str, token: str = "") -> None:
        """Wait until a report is in a state, and no attempt is under way."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status: dict[str, Any] = {}

        def reached() -> bool:
            status.update(_ask(f"{self.base}/v1/reports/{report_id}", headers))
            return bool(status["state"] == state and (state != "queued" or status["error"]))

        wait_for(reached, lambda: f"{state} was not reached: {status}")

    def receipt(self, report_id: str, recipient: str, status: str, reply: str) -> None:
        """Let Postfix' log say what became of a mail for one recipient."""
        entry = _ask(f"{self.base}/v1/reports/{report_id}", {})
        queue_id, message_id = entry["queue_id"], entry["message_id"]
        relay = "relay=mx.example.com[198.51.100.7]:25, delay=0.4, dsn=2.0.0"
        lines = [
            LINE.format("smtpd", queue_id, CLIENT),
            LINE.format("cleanup", queue_id, f"message-id={message_id}"),
            LINE.format("qmgr", queue_id, "from=<j@x>, size=9, nrcpt=1 (queue active)"),
            LINE.format("smtp", queue_id, f"to=<{recipient}>, {relay}, status={status} ({reply})"),
        ]
        with self.log.open("a") as out:
            out.write("\n".join(lines) + "\n")


def _ask(url: str, headers: dict[str, str], body: bytes | None = None) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, headers)
    with opener.open(request, timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def desk(folder: Path, **more: Any) -> Iterator[Desk]:
    """A service in a folder, with further settings."""
    postfix = PostfixStandIn(port=free_port())
    controller = smtp_server(postfix)
    controller.start()
    log = folder / "mail.log"
    log.touch()
    settings = Settings(
        **{
            "database_url": f"sqlite:///{folder}/outbox.db",
            "sender": "Jenkins <jenkins@ci.example.com>",
            "port": free_port(),
            "smtp_port": postfix.port,
            "listen": ("127.0.0.1",),
            "postfix_log": str(log),
        }
        | more
    )
    running = server(create_app(settings, LIMITS))
    thread = threading.Thread(
        target=running.run, kwargs={"sockets": bind(settings.listen, settings.port)}
    )
    thread.start()
    try:
        wait_for(lambda: running.started)
        yield Desk(f"http://127.0.0.1:{settings.port}", postfix, log, settings)
    finally:
        running.should_exit = True
        thread.join()
        controller.stop()
