"""Whether the service can do its work: write to the outbox, and reach Postfix."""

import asyncio
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from pyservice.config.settings import Settings
from pyservice.outbox.database import Database
from pyservice.smtp import Connection, Timeouts


class Readiness:
    """Checks outbox and Postfix, once for all callers at the same time.

    A caller needs no token, and must not be able to use up Postfix' connections or our threads.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        max_age: float = 2.0,
        greeting_timeout: float = 3.0,
    ) -> None:
        """Check nothing yet.

        Args:
            database: the outbox's.
            settings: have Postfix' host and port.
            max_age: seconds for which a result is used again.
            greeting_timeout: seconds for Postfix to greet.
        """
        self._database = database
        self._max_age = max_age
        self._postfix = (settings.smtp_host, settings.smtp_port)
        self._greeting_timeout = greeting_timeout
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._results: dict[str, str] = {}

    async def checks(self) -> dict[str, str]:
        """Return the results of `outbox` and `postfix`: `ok`, or what is wrong."""
        async with self._lock:
            if time.monotonic() - self._checked_at > self._max_age:
                self._results = await run_in_threadpool(self._check)
                self._checked_at = time.monotonic()
            return self._results

    def _check(self) -> dict[str, str]:
        postfix = Connection(*self._postfix, timeouts=Timeouts(reply=self._greeting_timeout))
        return {"outbox": _result(self._database.check), "postfix": _result(postfix.greeting)}


def _result(check: Callable[[], object]) -> str:
    try:
        check()
    except OSError as error:
        return str(error)
    return "ok"
