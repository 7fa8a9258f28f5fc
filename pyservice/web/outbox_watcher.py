"""Tells open pages what others change in the outbox: commands, and services that share it.

This service's own changes are events. The database alone has those of the others, so it is read
while somebody watches, once for all pages.
"""

import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.background_threads import BackgroundThread
from pyservice.outbox.reading import OutboxReader
from pyservice.web.live import Hub

STEPS = 500
"""How many of the newest steps of all histories one look reads."""
FRESH = 5.0
"""Seconds: a step that is younger than this is announced to a page that has just been opened."""

_log = structlog.get_logger()


class OutboxWatcher:
    """A thread that looks for changes between `start` and `stop`."""

    def __init__(self, reader: OutboxReader, hub: Hub, *, interval: float = 1.0) -> None:
        """Look for nothing yet.

        Args:
            reader: the outbox's.
            hub: the open pages.
            interval: seconds between two looks.
        """
        self._reader, self._hub, self._interval = reader, hub, interval
        self._known: set[tuple[int, float]] | None = None
        """The steps of the last look, by number and time; None: nobody watched then."""
        self._thread = BackgroundThread(self._work, "outbox-watcher")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it for two seconds at most."""
        self._thread.stop()

    def look(self) -> None:
        """Tell the pages what has changed since the last look; if there are none, read nothing."""
        if not self._hub.is_watched("outbox"):
            self._known = None
            return
        steps = self._reader.last_steps(STEPS)
        known, since = self._known, time.time() - FRESH
        # Services commit in another order than they number, so no number is the last one.
        self._known = {(step.number, step.at) for step in steps}
        new = [
            step
            for step in steps
            if (step.at > since if known is None else (step.number, step.at) not in known)
        ]
        for owner, job in dict.fromkeys((step.owner, step.job) for step in new):
            self._hub.publish("outbox", owner, job)

    def _work(self) -> None:
        while not self._thread.stopping.wait(self._interval):
            try:
                self.look()
            except SQLAlchemyError:
                pass  # the database's trouble is logged; the next look finds what this one missed
            except Exception:
                _log.exception("outbox.watch_failed")
