"""Writes in Jenkins how a report's mail stands, in a line of its build's description.

When a report has changed, the updater waits a moment for more changes, reads the report, and renews
the line. This is in memory and in one thread: neither acceptance nor sending ever waits for
Jenkins, and a line that Jenkins doesn't take is logged and left out.
"""

import threading
import time
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.config.token_files import read_api_token
from pyservice.description.text import line, renewed
from pyservice.errors import ConfigurationError, SetupError
from pyservice.events import Event, ReportChanged
from pyservice.jenkins.build_page import BuildPage, page
from pyservice.jenkins.errors import UnreachableError
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.tables import reports

_log = structlog.get_logger()


@dataclass(frozen=True)
class UpdaterLimits:
    """How much an updater keeps in memory, and how many seconds it waits."""

    max_waiting: int = 1000
    """Reports that wait; of more the oldest are left out."""
    delay: float = 1.0
    """After a change, for the next one: most mails are relayed at once."""
    pauses: tuple[float, ...] = (5.0, 30.0, 120.0)
    """Before each further attempt, if Jenkins is away."""
    grace: float = 1.0
    """For what waits when the service stops."""
    timeouts: tuple[float, float] = (5.0, 10.0)
    """To connect to Jenkins, and for each part of an answer."""


def check(settings: Settings) -> None:
    """Check that the token for Jenkins can be read, if BUILD_DESCRIPTION is set.

    Raises:
        ConfigurationError: the token's file can't be used; says why.
    """
    if settings.build_description and settings.jenkins_token_file:
        read_api_token(settings.jenkins_token_file)


class DescriptionUpdater:
    """Writes in the background between `start` and `stop`, while BUILD_DESCRIPTION is set."""

    def __init__(
        self,
        live: LiveSettings,
        database: Database,
        receipts: ReceiptStore,
        limits: UpdaterLimits = UpdaterLimits(),
    ) -> None:
        """Send nothing yet.

        Args:
            live: the settings: whether lines are written, and in which Jenkins.
            database: the outbox's.
            receipts: the receipts of the outbox's mails.
            limits: how much is kept, and how long it waits.
        """
        self._live, self._database, self._receipts, self._limits = live, database, receipts, limits
        self._changed = threading.Condition()
        self._waiting: dict[str, tuple[float, int]] = {}
        """By report ID: when its turn is, on the monotonic clock, and how many attempts there were.
        """
        self._stops_at: float | None = None
        self._is_full = False
        """Whether a report was left out, which was logged, and there was no room since."""
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin with the reports that have changed so far."""
        self._thread.start()

    def stop(self) -> None:
        """Stop soon: a line that Jenkins doesn't take at once is left out."""
        with self._changed:
            self._stops_at = time.monotonic() + self._limits.grace
            self._changed.notify()
        self._thread.join(self._limits.grace)
        if self._waiting:
            _log.warning("description.left", reports=len(self._waiting), reason="the service stops")

    def on_event(self, event: Event) -> None:
        """Let a report that has changed wait for its turn."""
        if not isinstance(event, ReportChanged) or not self._live.settings.build_description:
            return
        report_id, max_waiting = event.report_id, self._limits.max_waiting
        with self._changed:
            self._waiting.pop(report_id, None)
            if len(self._waiting) >= max_waiting:
                del self._waiting[next(iter(self._waiting))]
                if not self._is_full:
                    _log.warning("description.left", reason=f"over {max_waiting} wait for Jenkins")
                self._is_full = True
            elif len(self._waiting) < max_waiting // 2:
                self._is_full = False
            self._waiting[report_id] = (time.monotonic() + self._limits.delay, 0)
            self._changed.notify()

    def _work(self) -> None:
        while turn := self._take_turn():
            report_id, attempts = turn
            try:
                self._update(report_id)
            except UnreachableError as error:
                self._postpone(report_id, attempts, str(error))
            except sa.exc.SQLAlchemyError as error:
                self._postpone(report_id, attempts, cause(error))
            except (ConfigurationError, SetupError) as error:
                _log.warning("description.failed", id=report_id, reason=str(error))
            except Exception:
                _log.exception("description.failed", id=report_id)

    def _take_turn(self) -> tuple[str, int] | None:
        """Wait for the next report; return its ID and its attempts so far, or None at the stop."""
        with self._changed:
            while True:
                now, stops_at = time.monotonic(), self._stops_at
                if stops_at is not None and (not self._waiting or now >= stops_at):
                    return None
                report_id = min(self._waiting, key=self._waiting.__getitem__, default=None)
                if report_id is not None:
                    turn, attempts = self._waiting[report_id]
                    if turn <= now or stops_at is not None:
                        del self._waiting[report_id]
                        return report_id, attempts
                    self._changed.wait(turn - now)
                else:
                    self._changed.wait()

    def _postpone(self, report_id: str, attempts: int, reason: str) -> None:
        """Try again later, or log why the line was not written."""
        pauses = self._limits.pauses
        with self._changed:
            if report_id in self._waiting:  # a newer change has its own attempts
                return
            if attempts < len(pauses) and self._stops_at is None:
                self._waiting[report_id] = (time.monotonic() + pauses[attempts], attempts + 1)
                return
        _log.warning("description.failed", id=report_id, reason=reason)

    def _update(self, report_id: str) -> None:
        """Write the report's line, unless it stands there already.

        Raises:
            SetupError: Jenkins is away, or refuses it.
        """
        settings = self._live.settings
        query = sa.select(reports).where(reports.c.id == report_id)
        with self._database.read() as read:
            row = read.execute(query).mappings().one_or_none()
        if row is None or not settings.build_description or settings.jenkins_url is None:
            return
        report = QueuedReport.from_row(row)
        text = line(report, self._receipts.receipts(report))
        if text is None or report.report.mail.is_preview:
            return
        url = page(report.report.build, settings.jenkins_url)
        if url is None:
            reason = "build.url is not that build's address below NOTIFY_EMAIL_JENKINS_URL"
            _log.info(
                "description.foreign", id=report.id, url=report.report.build.url, reason=reason
            )
            return
        build = BuildPage(url, settings, self._limits.timeouts)
        before = build.read()
        after = renewed(before, text)
        if after != before:
            build.write(after)
            _log.debug("description.renewed", id=report.id, line=text)
