"""Whether what the service needs works, for a person: outbox, Postfix, its log and Jenkins."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.concurrency import run_in_threadpool

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, SetupError
from pyservice.jenkins.build_page import new_client
from pyservice.web.readiness import Readiness

MAX_AGE = 30.0
"""Seconds for which Jenkins' answer is used again."""
TIMEOUTS = (1.5, 2.0)
"""Seconds for Jenkins to connect, and to answer."""


@dataclass(frozen=True)
class Part:
    """One part of the node, and how it is."""

    name: str
    state: Literal["ok", "bad", "none"]
    """none: it isn't used."""
    detail: str


class NodeStatus:
    """Checks the parts, once for all pages at the same time."""

    def __init__(
        self,
        readiness: Readiness,
        live: LiveSettings,
        is_log_readable: Callable[[], bool | None],
    ) -> None:
        """Check nothing yet.

        Args:
            readiness: checks outbox and Postfix.
            live: the settings in force.
            is_log_readable: whether the last read of Postfix' log worked; None: there is no log.
        """
        self._readiness, self._live, self._is_log_readable = readiness, live, is_log_readable
        self._lock = asyncio.Lock()
        self._jenkins: tuple[Part, Settings, float] | None = None
        """What it was like, with which settings, and when, on the monotonic clock."""

    async def parts(self) -> list[Part]:
        """Return all parts. It takes seconds if one of them doesn't answer."""
        settings = self._live.settings
        checks, jenkins = await asyncio.gather(
            self._readiness.checks(), self._jenkins_part(settings)
        )
        postfix = f"{settings.smtp_host} port {settings.smtp_port}"
        works = {
            "outbox": "Reports are accepted and kept.",
            "postfix": f"It greets at {postfix}.",
        }
        names = {"outbox": "Outbox", "postfix": "Postfix", "reports": "Reports"}
        parts = [
            Part(names[name], "ok", works.get(name, ""))
            if result == "ok"
            else Part(names[name], "bad", f"{result}.")
            for name, result in checks.items()
        ]
        return [*parts, self._log_part(), jenkins]

    def _log_part(self) -> Part:
        name = "Postfix' log"
        match self._is_log_readable():
            case None:
                detail = (
                    "It is not read, so no receipts are known. Set NOTIFY_EMAIL_POSTFIX_LOG to it."
                )
                return Part(name, "none", detail)
            case True:
                return Part(
                    name, "ok", "It is read: receipts show whether the relay host took each mail."
                )
            case _:
                return Part(name, "bad", "It can't be read; the service's log says why.")

    async def _jenkins_part(self, settings: Settings) -> Part:
        async with self._lock:
            if self._jenkins is not None:
                part, asked_with, at = self._jenkins
                if asked_with is settings and time.monotonic() - at < MAX_AGE:
                    return part
            part = await run_in_threadpool(_check_jenkins, settings)
            self._jenkins = part, settings, time.monotonic()
            return part


def _check_jenkins(settings: Settings) -> Part:
    if settings.jenkins_url is None:
        detail = (
            "Nothing is read from it. A trusted library needs none of that; for a sandboxed one "
            "set NOTIFY_EMAIL_JENKINS_URL."
        )
        return Part("Jenkins", "none", detail)
    try:
        new_client(settings, "Overall/Read", TIMEOUTS).send("GET", "/api/json?tree=mode")
    except (ConfigurationError, SetupError) as error:
        return Part("Jenkins", "bad", str(error))
    user = settings.jenkins_user or "nobody"
    return Part("Jenkins", "ok", f"{settings.jenkins_url} answers {user}.")
