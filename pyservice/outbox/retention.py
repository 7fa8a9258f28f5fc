"""The outbox's upkeep in the background: looks for damage once, and removes what ended long ago."""

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
ROUND = 3600.0
"""Seconds between two rounds."""
CHUNK = 100
"""Reports that are removed by one commit: 500 with mails of 50 KB held others up for 130 ms."""
PAGES = 500
"""Pages of a SQLite file that are given back by one commit."""
PAUSE = 0.05
"""Seconds between such commits, for those who accept and send."""

_log = structlog.get_logger()


class Retention:
    """Works between `start` and `stop`."""

    def __init__(self, database: Database, current: LiveSettings) -> None:
        """Nothing is done yet.

        Args:
            database: the outbox's.
            current: says how long a report is kept after it ended, RETENTION_DAYS.
        """
        self._database, self._current = database, current
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Return soon."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _work(self) -> None:
        try:
            if damage := self._database.look_for_damage():
                _log.error("outbox.damaged", reason=damage)
            while not self._stopping.is_set():
                self._round()
                self._stopping.wait(ROUND)
        except Exception:
            _log.exception("retention.error")

    def _round(self) -> None:
        days = self._current.settings.retention_days
        if not days:
            return
        try:
            before = time.time() - days * DAY
            if removed := sweep(self._database, before, self._stopping.wait):
                _log.info("outbox.swept", removed=removed, days=days)
        except SQLAlchemyError as error:
            _log.error("outbox.error", reason=cause(error))


def sweep(database: Database, before: float, wait: Callable[[float], object]) -> int:
    """Remove reports that ended before a time, and give their place on the disk back.

    Args:
        database: the outbox's.
        before: seconds since the epoch.
        wait: called with the seconds to wait between two commits; if it returns true, no more is
            done.

    Returns:
        How many reports were removed.
    """
    removed = 0
    while count := database.write(lambda write: _remove(write, before)):
        removed += count
        if wait(PAUSE):
            return removed
    while database.give_back(PAGES) and not wait(PAUSE):
        pass
    return removed


def _remove(write: sa.Connection, before: float) -> int:
    """Remove a chunk; what another service is removing is left to it."""
    old = sa.select(reports.c.id).where(reports.c.ended_at < before).order_by(reports.c.ended_at)
    ids = write.execute(old.limit(CHUNK).with_for_update(skip_locked=True)).scalars().all()
    for column in (events.c.report_id, receipts_table.c.report_id, reports.c.id):
        write.execute(sa.delete(column.table).where(column.in_(ids)))
    return len(ids)
