"""Tells in Jenkins what became of a report's mail, in a line of its build's description.

The delivery worker and the log watcher announce changes. The updater waits a moment for more, reads
how the mail
stands, and renews the line. All that is in memory and in one thread: neither acceptance nor sending
ever waits for Jenkins, and what Jenkins doesn't take is logged and left.
"""

import threading
import time

import sqlalchemy as sa
import structlog

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings, read_secret
from pyservice.description.text import line, page, renewed
from pyservice.errors import ConfigurationError, SetupError
from pyservice.jenkins.build_page import BuildPage
from pyservice.jenkins.errors import AwayError
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.tables import reports

MOST = 1000
"""Reports that wait to be told of; of more the oldest are left out."""
DELAY = 1.0
"""Seconds that a change waits for the next one: most mails are relayed at once."""
PAUSES = (5.0, 30.0, 120.0)
"""Seconds before each further attempt where Jenkins is away."""
GRACE = 1.0
"""Seconds for what waits when the service is told to stop."""

_log = structlog.get_logger()


def check(settings: Settings) -> None:
    """Whether there is a token to do it with, if it is wanted.

    Raises:
        ConfigurationError: the token's file can't be used; says why.
    """
    if settings.build_description and settings.jenkins_token_file:
        read_secret(settings.jenkins_token_file)


class DescriptionUpdater:
    """Writes in the background between `start` and `stop`, while BUILD_DESCRIPTION is set."""

    def __init__(self, current: LiveSettings, database: Database, ledger: ReceiptStore) -> None:
        """Nothing is asked yet.

        Args:
            current: the settings: whether it is wanted, and who Jenkins is.
            database: the outbox'.
            ledger: what Postfix' log told.
        """
        self._current, self._database, self._ledger = current, database, ledger
        self._news = threading.Condition()
        self._waiting: dict[str, tuple[float, int]] = {}
        """By a report's ID: when it is its turn, on the monotonic clock, and after how many tries.
        """
        self._stops_at: float | None = None
        self._is_full = False
        """Whether that was told, and there was no room since."""
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin with whatever it was told of."""
        self._thread.start()

    def stop(self) -> None:
        """Return soon: what Jenkins doesn't take at once is left."""
        with self._news:
            self._stops_at = time.monotonic() + GRACE
            self._news.notify()
        self._thread.join(GRACE)
        if self._waiting:
            _log.warning("description.left", reports=len(self._waiting), reason="the service stops")

    def changed(self, report_id: str) -> None:
        """Something new is committed of this report's mail. It takes microseconds."""
        if not self._current.settings.build_description:
            return
        with self._news:
            self._waiting.pop(report_id, None)
            if len(self._waiting) >= MOST:
                del self._waiting[next(iter(self._waiting))]
                if not self._is_full:
                    _log.warning("description.left", reason=f"over {MOST} wait for Jenkins")
                self._is_full = True
            elif len(self._waiting) < MOST // 2:
                self._is_full = False
            self._waiting[report_id] = (time.monotonic() + DELAY, 0)
            self._news.notify()

    def _work(self) -> None:
        while found := self._next():
            report_id, tries = found
            try:
                self._tell(report_id)
            except AwayError as error:
                self._again(report_id, tries, str(error))
            except (ConfigurationError, SetupError, sa.exc.SQLAlchemyError) as error:
                _log.warning("description.failed", id=report_id, reason=cause(error))
            except Exception:
                _log.exception("description.failed", id=report_id)

    def _next(self) -> tuple[str, int] | None:
        """Wait for the next one, and take it; None: it is time to end."""
        with self._news:
            while True:
                now, stops_at = time.monotonic(), self._stops_at
                if stops_at is not None and (not self._waiting or now >= stops_at):
                    return None
                report_id = min(self._waiting, key=self._waiting.__getitem__, default=None)
                if report_id is not None:
                    turn, tries = self._waiting[report_id]
                    if turn <= now or stops_at is not None:
                        del self._waiting[report_id]
                        return report_id, tries
                    self._news.wait(turn - now)
                else:
                    self._news.wait()

    def _again(self, report_id: str, tries: int, reason: str) -> None:
        with self._news:
            if report_id in self._waiting:  # something newer has its own tries
                return
            if tries < len(PAUSES) and self._stops_at is None:
                self._waiting[report_id] = (time.monotonic() + PAUSES[tries], tries + 1)
                return
        _log.warning("description.failed", id=report_id, reason=reason)

    def _tell(self, report_id: str) -> None:
        settings = self._current.settings
        query = sa.select(reports).where(reports.c.id == report_id)
        with self._database.read() as read:
            row = read.execute(query).mappings().one_or_none()
        if row is None or not settings.build_description or settings.jenkins_url is None:
            return
        entry = QueuedReport.from_row(row)
        told = line(entry, self._ledger.receipts(entry))
        if told is None:
            return
        url = page(entry.report.build, settings.jenkins_url)
        if url is None:
            reason = "build.url is not that build's address below JENKINS_URL"
            _log.info("description.foreign", id=entry.id, url=entry.report.build.url, reason=reason)
            return
        build = BuildPage(url, settings)
        before = build.read()
        after = renewed(before, told)
        if after != before:
            build.write(after)
            _log.debug("description.renewed", id=entry.id, line=told)
