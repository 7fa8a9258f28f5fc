"""The outbox's maintenance: a check for damage at the start, and the removal of old reports."""

import math
import time
from collections.abc import Callable
from functools import partial
from itertools import accumulate

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.background_threads import BackgroundThread
from pyservice.config.live import LiveSettings
from pyservice.outbox.database import Database
from pyservice.outbox.tables import PARTS, reports
from pyservice.outbox.threads import forget_threads

DAY = 24 * 3600.0
BATCH_SIZE = 100
"""Reports that one commit removes: 500 with mails of 50 KB took 130 ms, in which nothing else could
be written."""
BATCH_BYTES = 8 * 1024**2
"""The bytes of these reports, unless one alone has more."""
BATCH_PAGES = 500
"""Pages of a SQLite file that one commit returns."""
PAUSE = 0.05
"""Seconds between two commits."""

_log = structlog.get_logger()


class Retention:
    """A thread that maintains the outbox between `start` and `stop`."""

    def __init__(self, database: Database, live: LiveSettings, *, interval: float = 60.0) -> None:
        """Do nothing yet.

        Args:
            database: the outbox's.
            live: has RETENTION_DAYS and RETENTION_BYTES.
            interval: seconds between two rounds of removal.
        """
        self._database, self._live, self._interval = database, live, interval
        self._thread = BackgroundThread(self._work, "retention")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for it for two seconds at most."""
        self._thread.stop()

    def _work(self) -> None:
        try:
            if damage := self._database.look_for_damage():
                _log.error("outbox.damaged", reason=damage)
            while not self._thread.stopping.is_set():
                self._remove_old()
                self._thread.stopping.wait(self._interval)
        except Exception:
            _log.exception("retention.error")

    def _remove_old(self) -> None:
        settings = self._live.settings
        days, max_bytes = settings.retention_days, int(settings.retention_bytes)
        wait = self._thread.stopping.wait
        try:
            if days and (removed := sweep(self._database, time.time() - days * DAY, wait)):
                _log.info("outbox.swept", removed=removed, days=days)
            if max_bytes and (removed := shrink(self._database, max_bytes, wait)):
                _log.info("outbox.swept", removed=removed, max_bytes=max_bytes)
            forget_threads(self._database, time.time())
        except SQLAlchemyError as error:
            self._database.trouble.report(error)


def sweep(
    database: Database,
    before: float,
    wait: Callable[[float], object],
    *,
    batch_size: int = BATCH_SIZE,
    pause: float = PAUSE,
) -> int:
    """Remove reports that ended before a time, and return their space to the disk.

    Args:
        database: the outbox's.
        before: seconds since the epoch.
        wait: called with the seconds to wait between two commits; a true result ends the sweep.
        batch_size: reports that one commit removes.
        pause: seconds between two commits, in which others can write.

    Returns:
        How many reports were removed.
    """
    is_old = reports.c.ended_at < before
    return _remove_all(database, is_old, lambda: math.inf, wait, batch_size, pause)


def shrink(database: Database, max_bytes: int, wait: Callable[[float], object]) -> int:
    """Remove the reports that ended first, until the others that have ended fit into `max_bytes`.

    Arguments and result are those of `sweep`; the bytes are those of reports and mails.
    """
    has_ended = reports.c.ended_at.is_not(None)
    # From an index: a million rows take a tenth of a second, and not the writer's.
    size = sa.select(sa.func.coalesce(sa.func.sum(reports.c.size_bytes), 0)).where(has_ended)

    def excess() -> float:
        with database.read() as read:
            return float(read.execute(size).scalar_one()) - max_bytes

    return _remove_all(database, has_ended, excess, wait, BATCH_SIZE, PAUSE)


def _remove_all(
    database: Database,
    condition: sa.ColumnElement[bool],
    excess: Callable[[], float],
    wait: Callable[[float], object],
    batch_size: int,
    pause: float,
) -> int:
    """Remove the reports that ended first, batch after batch, while there are bytes in excess."""
    removed = 0
    while (most := min(excess(), BATCH_BYTES)) > 0:
        remove = partial(_remove, condition=condition, batch_size=batch_size, most=most)
        count = database.write(remove)
        if not count:
            break
        removed += count
        if wait(pause):
            return removed
    while database.give_back(BATCH_PAGES) and not wait(pause):
        pass
    return removed


def _remove(
    write: sa.Connection, *, condition: sa.ColumnElement[bool], batch_size: int, most: float
) -> int:
    """Remove some reports, except those that another service is removing, and return the count.

    Args:
        write: the outbox's.
        condition: which reports.
        batch_size: how many, at most.
        most: bytes after which it is enough.
    """
    query = sa.select(reports.c.id, reports.c.size_bytes).where(condition)
    oldest = query.order_by(reports.c.ended_at).limit(batch_size)
    rows = write.execute(oldest.with_for_update(skip_locked=True)).all()
    totals = accumulate((row.size_bytes for row in rows[:-1]), initial=0)
    ids = [row.id for row, before in zip(rows, totals, strict=False) if before < most]
    for column in (*(table.c.report_id for table in PARTS), reports.c.id):
        write.execute(sa.delete(column.table).where(column.in_(ids)))
    return len(ids)
