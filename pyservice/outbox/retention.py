"""The outbox's maintenance: a check for damage at the start, and the removal of old reports."""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.config.live import LiveSettings
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause
from pyservice.outbox.tables import events, receipts_table, reports

DAY = 24 * 3600.0

_log = structlog.get_logger()


class Retention:
    """A thread that maintains the outbox between `start` and `stop`."""

    def __init__(self, database: Database, live: LiveSettings, *, interval: float = 3600.0) -> None:
        """Do nothing yet.

        Args:
            database: the outbox's.
            live: has RETENTION_DAYS.
            interval: seconds between two rounds of removal.
        """
        self._database, self._live, self._interval = database, live, interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for it for two seconds at most."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _work(self) -> None:
        try:
            if damage := self._database.look_for_damage():
                _log.error("outbox.damaged", reason=damage)
            while not self._stopping.is_set():
                self._remove_old()
                self._stopping.wait(self._interval)
        except Exception:
            _log.exception("retention.error")

    def _remove_old(self) -> None:
        days = self._live.settings.retention_days
        if not days:
            return
        try:
            before = time.time() - days * DAY
            if removed := sweep(self._database, before, self._stopping.wait):
                _log.info("outbox.swept", removed=removed, days=days)
        except SQLAlchemyError as error:
            _log.error("outbox.error", reason=cause(error))


def sweep(
    database: Database,
    before: float,
    wait: Callable[[float], object],
    *,
    batch_size: int = 100,
    max_pages: int = 500,
    pause: float = 0.05,
) -> int:
    """Remove reports that ended before a time, and return their space to the disk.

    Args:
        database: the outbox's.
        before: seconds since the epoch.
        wait: called with the seconds to wait between two commits; a true result ends the sweep.
        batch_size: reports that one commit removes; 500 with mails of 50 KB took 130 ms, in which
            nothing else could be written.
        max_pages: pages of a SQLite file that one commit returns.
        pause: seconds between two commits, in which others can write.

    Returns:
        How many reports were removed.
    """
    removed = 0
    while count := database.write(lambda write: _remove(write, before, batch_size)):
        removed += count
        if wait(pause):
            return removed
    while database.give_back(max_pages) and not wait(pause):
        pass
    return removed


def _remove(write: sa.Connection, before: float, batch_size: int) -> int:
    """Remove some reports, except those that another service is removing, and return the count."""
    old = sa.select(reports.c.id).where(reports.c.ended_at < before).order_by(reports.c.ended_at)
    ids = write.execute(old.limit(batch_size).with_for_update(skip_locked=True)).scalars().all()
    for column in (events.c.report_id, receipts_table.c.report_id, reports.c.id):
        write.execute(sa.delete(column.table).where(column.in_(ids)))
    return len(ids)
