"""Whether the service can do its work: the outbox is written to, Postfix is asked to greet."""

import asyncio
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from pyservice.config.settings import Settings
from pyservice.outbox.database import Database
from pyservice.smtp import Connection, Timeouts

FRESH = 2.0
"""Seconds that an answer is good for."""
TIMEOUT = 3.0
"""Seconds for Postfix to greet."""


class Readiness:
    """Looks once for everybody who asks at the same time.

    Asking needs no token, so it must not be a way to fill Postfix' connections or our threads.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._looking = asyncio.Lock()
        self._looked = float("-inf")
        self._found: dict[str, str] = {}

    async def checks(self) -> dict[str, str]:
        """`outbox` and `postfix`, each `ok` or what is wrong with it."""
        async with self._looking:
            if time.monotonic() - self._looked > FRESH:
                self._found = await run_in_threadpool(self._look)
                self._looked = time.monotonic()
            return self._found

    def _look(self) -> dict[str, str]:
        postfix = Connection(
            self._settings.smtp_host, self._settings.smtp_port, timeouts=Timeouts(reply=TIMEOUT)
        )
        return {"outbox": _try(self._database.check), "postfix": _try(postfix.greeting)}


def _try(check: Callable[[], object]) -> str:
    try:
        check()
    except OSError as error:
        return str(error)
    return "ok"
