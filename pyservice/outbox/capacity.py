"""The limits of the outbox."""

import time

import sqlalchemy as sa

from pyservice.config.live import LiveSettings
from pyservice.outbox.tables import reports


class Capacity:
    """The limits of what waits for Postfix. Not thread-safe: only the outbox's writer uses it.

    The limits hold for the database, which several services may share. Each service counts its
    rows now and then, and adds what it accepts in between.
    """

    def __init__(self, live: LiveSettings, *, count_every: float = 1.0) -> None:
        """Count nothing yet.

        Args:
            live: has the limits, OUTBOX_MAX_WAITING and OUTBOX_MAX_BYTES.
            count_every: seconds between two counts of the database's rows.
        """
        self._live, self._count_every = live, count_every
        self._rows = self._bytes = 0
        self._counted_at = float("-inf")

    def reserve(self, read: sa.Connection, size: int) -> str:
        """Count one more report in, if the limits allow it.

        Args:
            read: the outbox's.
            size: the report's bytes.

        Returns:
            Why the outbox is full, as a sentence; empty: the report is counted in.
        """
        settings = self._live.settings
        max_rows, max_bytes = settings.outbox_max_waiting, settings.outbox_max_bytes
        if time.monotonic() - self._counted_at > self._count_every:
            self._count(read)
            self._counted_at = time.monotonic()
        if self._rows >= max_rows:
            return _full("reports", self._rows, "NOTIFY_EMAIL_OUTBOX_MAX_WAITING", max_rows)
        if self._bytes >= max_bytes:
            return _full("bytes", self._bytes, "NOTIFY_EMAIL_OUTBOX_MAX_BYTES", max_bytes)
        self._rows += 1
        self._bytes += size
        return ""

    def _count(self, read: sa.Connection) -> None:
        # From an index that has only what waits: 100,000 rows take some milliseconds.
        sums = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(reports.c.size_bytes), 0))
        rows, size = read.execute(sums.where(reports.c.next_attempt_at.is_not(None))).one()
        self._rows, self._bytes = int(rows), int(size)


def _full(what: str, count: int, setting: str, limit: int) -> str:
    return (
        f"The outbox is full: {count} {what} wait for Postfix, and {setting} is {limit}. "
        "The report was not accepted: try again later."
    )
