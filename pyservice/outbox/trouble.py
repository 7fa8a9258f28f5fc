"""What keeps the outbox's database from working, logged once a minute: everything runs into it."""

import threading
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.outbox.engines import cause

MAX_REASONS = 20
"""Reasons that are remembered; some have a varying part."""

_log = structlog.get_logger()


class Trouble:
    """Logs the failures of one database. Thread-safe."""

    def __init__(self, outbox: str, *, pause: float = 60.0, is_logged: bool = True) -> None:
        """Log nothing yet.

        Args:
            outbox: the path of its file, or its URL without the password.
            pause: seconds until the same reason is logged again.
            is_logged: False for a command, which prints its error and has no log.
        """
        self._outbox, self._pause, self._is_logged = outbox, pause, is_logged
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}
        """When each reason was logged, on the monotonic clock."""
        self._unlogged = 0

    def report(self, error: SQLAlchemyError) -> None:
        """Log a failure, unless its reason was logged a moment ago."""
        if not self._is_logged:
            return
        reason, now = cause(error), time.monotonic()
        with self._lock:
            if now - self._logged.get(reason, -self._pause) < self._pause:
                self._unlogged += 1
                return
            if len(self._logged) >= MAX_REASONS:
                self._logged.clear()
            self._logged[reason] = now
            unlogged, self._unlogged = self._unlogged, 0
        _log.error("outbox.error", outbox=self._outbox, reason=reason, unlogged=unlogged)
