"""Whether the service can do its work: write to the outbox, reach Postfix, and accept reports."""

import asyncio
import time
from collections import deque
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
        memory: float = 60.0,
    ) -> None:
        """Check nothing yet.

        Args:
            database: the outbox's.
            settings: have Postfix' host and port.
            max_age: seconds for which a result is used again.
            greeting_timeout: seconds for Postfix to greet.
            memory: seconds for which a report counts that was accepted or refused.
        """
        self._database = database
        self._max_age = max_age
        self._postfix = (settings.smtp_host, settings.smtp_port)
        self._greeting_timeout = greeting_timeout
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._results: dict[str, str] = {}
        self._memory = memory
        self._answers: deque[tuple[float, str]] = deque(maxlen=10_000)

    def report_answered(self, refusal: str = "") -> None:
        """Count a report.

        Args:
            refusal: why the service can't accept it now, for which its caller can't help; empty: it
                is accepted.
        """
        self._answers.append((time.monotonic(), refusal))

    async def checks(self) -> dict[str, str]:
        """Return the results of `outbox` and `postfix`: `ok`, or what is wrong.

        There is a third one, `reports`, while most of them are refused. The outbox may take a small
        write and no report: it is full, the disk nearly is, or others lock it again and again.
        """
        async with self._lock:
            if time.monotonic() - self._checked_at > self._max_age:
                self._results = await run_in_threadpool(self._check)
                self._checked_at = time.monotonic()
            refusals = self._most_are_refused()
            return self._results | ({"reports": refusals} if refusals else {})

    def _most_are_refused(self) -> str:
        while self._answers and time.monotonic() - self._answers[0][0] > self._memory:
            self._answers.popleft()
        refusals = [refusal for _, refusal in self._answers if refusal]
        if 2 * len(refusals) <= len(self._answers):
            return ""
        return f"{len(refusals)} of the last {len(self._answers)} were refused: {refusals[-1]}"

    def _check(self) -> dict[str, str]:
        postfix = Connection(*self._postfix, timeouts=Timeouts(reply=self._greeting_timeout))
        return {"outbox": _result(self._database.check), "postfix": _result(postfix.greeting)}


def _result(check: Callable[[], object]) -> str:
    try:
        check()
    except OSError as error:
        return str(error)
    return "ok"
