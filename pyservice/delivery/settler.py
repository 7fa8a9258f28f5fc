"""Commits what follows from an attempt, or why there is none, and announces and logs it."""

import random
import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.delivery.retry import RetryPolicy
from pyservice.delivery.settlement import Settlement, settle_attempt
from pyservice.errors import RenderError
from pyservice.events import Events, MailAccepted, ReportChanged, ReportEnded
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.refusals import error_after
from pyservice.outbox.states import State
from pyservice.smtp import Outcome

_log = structlog.get_logger()


class Settler:
    """Settles the reports of one worker. Thread-safe."""

    def __init__(
        self, outbox: Outbox, events: Events, policy: RetryPolicy, is_stopped: Callable[[], bool]
    ) -> None:
        """Commit nothing yet.

        Args:
            outbox: where the reports are.
            events: where ends and changes are announced.
            policy: how often a mail is tried.
            is_stopped: returns whether the service stops; until then a commit is tried again.
        """
        self._outbox, self._events, self._policy = outbox, events, policy
        self._is_stopped = is_stopped

    def settle(self, report: QueuedReport, outcome: Outcome) -> bool:
        """Commit what follows from an attempt, log it, and return whether there is a next one."""
        now = time.time()
        settlement = settle_attempt(
            report,
            outcome,
            self._policy,
            now=now,
            fraction=random.random(),  # noqa: S311 - not to retry all at once
        )
        if outcome.accepted and not report.accepted_by_postfix:
            self._events.announce(MailAccepted(now - report.created_at))
        self._commit(report, settlement)
        log = _log.bind(id=report.id, job=report.report.build.job, attempt=report.attempts + 1)
        missing = len(outcome.deferred) + len(outcome.refused)
        if settlement.next_attempt_at is not None:
            log.warning(
                "mail.deferred",
                reply=outcome.reply,
                seconds=round(settlement.next_attempt_at - now),
            )
        elif settlement.state == State.FAILED:
            log.error("mail.failed", reply=outcome.reply)
        elif missing:
            log.warning("mail.accepted", queue_id=outcome.queue_id, missing=missing)
        else:
            log.info("mail.accepted", queue_id=outcome.queue_id)
        return settlement.next_attempt_at is not None

    def fail(self, report: QueuedReport, error: RenderError) -> None:
        """Keep a report for a person: to render it again would end the same way."""
        note = f"It could not be rendered: {error}"
        self._commit(report, Settlement(state=State.FAILED, note=note, error=note))
        _log.error("mail.failed", id=report.id, job=report.report.build.job, reason=str(error))

    def skip(self, report: QueuedReport, mail: bytes) -> None:
        """End a report in a dry run: its mail is kept, and not sent."""
        skipped = Settlement(
            state=State.SKIPPED,
            note=f"{_why_dry(report)}: the mail was not sent",
            error=error_after(report.error),
            mail=mail,
            pending_recipients=report.pending_recipients,
        )
        self._commit(report, skipped)
        _log.info("mail.skipped", id=report.id, job=report.report.build.job)

    def skip_for_nobody(self, report: QueuedReport) -> None:
        """End a report whose recipients Jenkins was to name, and can't any more."""
        note = "nobody gets a mail: the service may not read the build in Jenkins any more"
        self._commit(report, Settlement(state=State.SKIPPED, note=note, error=note))
        _log.warning("mail.skipped", id=report.id, job=report.report.build.job, reason=note)

    def _commit(self, report: QueuedReport, settlement: Settlement) -> None:
        """Commit a settlement. The report stays claimed until then, else it would be sent twice."""
        while True:
            try:
                state = self._outbox.finish_attempt(report, **vars(settlement))
                break
            except SQLAlchemyError:
                if self._is_stopped():
                    return
                time.sleep(1)
        if state != State.QUEUED:
            self._events.announce(ReportEnded(state))
        self._events.announce(ReportChanged(report.id, report.owner, report.report.build.job))


def _why_dry(report: QueuedReport) -> str:
    by_author = report.report.mail.dry_run
    return "its Pipeline wants a dry run" if by_author else "NOTIFY_EMAIL_DRY_RUN is set"
