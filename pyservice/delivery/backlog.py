"""The reports that this service has claimed from the outbox, and that no thread works on yet."""

import threading
import time
from collections import deque
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox

_AT_ONCE = float("-inf")


class Backlog:
    """Hands claimed reports to threads, until `stop`. Thread-safe.

    Nearly all reports are held when they are accepted. So the outbox is read only if `wake` says
    so, when a report in it is due, and now and then, since other programs may have changed it.
    """

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
        self._next_read = _AT_ONCE
        """When the outbox is read next, on the monotonic clock."""
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
            self._next_read = _AT_ONCE
            self._changed.notify()

    def claim(self) -> QueuedReport | None:
        """Return a report that is due, for this thread alone; None: there is none."""
        with self._changed:
            if self._held:
                return self._held.popleft()
            now = time.monotonic()
            if now < self._next_read:
                return None
            # Before it is read: what `wake` says meanwhile is not lost, and only one thread reads.
            self._next_read = now + self._idle
        try:
            claimed = self._outbox.claim(self._claims)
            due = None if claimed else self._outbox.next_due()
        except BaseException:
            self.wake()
            raise
        if claimed:
            self.wake()  # there may be more
            self.hold(*claimed[1:])
            return claimed[0]
        if due is not None:
            with self._changed:
                soon = time.monotonic() + max(due - time.time(), 0.01)
                self._next_read = min(self._next_read, soon)
        return None

    def wait(self) -> bool:
        """Wait for the next report, or until the outbox is to be read.

        Returns:
            Whether the caller should look now; False: nothing came before the time was over.
        """
        with self._changed:
            seconds = self._next_read - time.monotonic()
            if self._held or self.is_stopped or seconds <= 0:
                return True
            return self._changed.wait(seconds)
