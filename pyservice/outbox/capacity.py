"""Whether the outbox has room for one more report."""

import time

import sqlalchemy as sa

from pyservice.config.live import LiveSettings
from pyservice.outbox.tables import reports

FRESH = 1.0
"""Seconds between two looks into the database."""


class Capacity:
    """The limits of what waits for Postfix. Not thread-safe: who writes to the outbox asks.

    They are the database's, which several services may share; each of them looks once a second,
    and adds what it accepts meanwhile.
    """

    def __init__(self, current: LiveSettings) -> None:
        """Nothing is looked at yet.

        Args:
            current: has the limits, OUTBOX_MAX_WAITING and OUTBOX_MAX_BYTES.
        """
        self._current = current
        self._rows = self._bytes = 0
        self._looked = float("-inf")

    def ask(self, read: sa.Connection, size: int) -> str:
        """For room for one more.

        Args:
            read: the outbox's.
            size: its bytes.

        Returns:
            Why there is none, as a sentence; empty: there is, and it is counted in.
        """
        settings = self._current.settings
        most_rows, most_bytes = settings.outbox_max_waiting, settings.outbox_max_bytes
        if time.monotonic() - self._looked > FRESH:
            self._look(read)
            self._looked = time.monotonic()
        if self._rows >= most_rows:
            return self._told("reports", self._rows, "OUTBOX_MAX_WAITING", most_rows)
        if self._bytes >= most_bytes:
            return self._told("bytes", self._bytes, "OUTBOX_MAX_BYTES", most_bytes)
        self._rows += 1
        self._bytes += size
        return ""

    def _look(self, read: sa.Connection) -> None:
        # From an index alone, which has only what waits: 100,000 of them take some milliseconds.
        sums = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(reports.c.size_bytes), 0))
        rows, size = read.execute(sums.where(reports.c.next_attempt_at.is_not(None))).one()
        self._rows, self._bytes = int(rows), int(size)

    @staticmethod
    def _told(what: str, found: int, setting: str, limit: int) -> str:
        return (
            f"The outbox is full: {found} {what} wait for Postfix, and {setting} is {limit}. "
            "The report was not accepted: try again later."
        )
