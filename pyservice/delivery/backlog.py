"""The reports that this service has claimed from the outbox, and that no thread works on yet."""

import threading
import time
from collections import deque
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox


class Backlog:
    """Hands claimed reports to threads, until `stop`. Thread-safe."""

    def __init__(self, outbox: Outbox, *, claims: int, idle: float) -> None:
        """Nothing is claimed yet.

        Args:
            outbox: where reports are claimed.
            claims: how many are claimed at once.
            idle: seconds after which the outbox is read again.
        """
        self._outbox, self._claims, self._idle = outbox, claims, idle
        self._changed = threading.Condition()
        self._held: deque[QueuedReport] = deque()
        self.wakeups = 0
        self.is_stopped = False

    def __len__(self) -> int:
        return len(self._held)

    def stop(self) -> None:
        """Let no thread wait from now on."""
        with self._changed:
            self.is_stopped = True
            self._changed.notify_all()

    def release(self) -> None:
        """Give the reports back to the outbox."""
        with suppress(SQLAlchemyError):  # they are free again when their lease has run out
            self._outbox.release(*self._held)

    def hold(self, *reports: QueuedReport) -> None:
        """Keep claimed reports for the next threads that have time."""
        with self._changed:
            self._held.extend(reports)
            self._changed.notify(len(reports))

    def wake(self) -> None:
        """Let a thread read the outbox, in which there may be something new."""
        with self._changed:
            self.wakeups += 1
            self._changed.notify()

    def claim(self) -> QueuedReport | None:
        """Return a report that is due, for this thread alone; None: there is none."""
        with self._changed:
            if self._held:
                return self._held.popleft()
        claimed = self._outbox.claim(self._claims)
        self.hold(*claimed[1:])
        return claimed[0] if claimed else None

    def wait(self, wakeups: int) -> bool:
        """Wait for the next report or the next attempt.

        Args:
            wakeups: how many there were before the caller read the outbox.

        Returns:
            Whether there was one to work on before the time was over.
        """
        due = self._outbox.next_due()
        seconds = self._idle if due is None else min(max(due - time.time(), 0.01), self._idle)
        with self._changed:
            has_news = self.wakeups != wakeups or self._held or self.is_stopped
            return bool(has_news or self._changed.wait(seconds))
