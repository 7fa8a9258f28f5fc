"""Takes what is due in the outbox to Postfix, in a few threads: claim, prepare, send, settle."""

import random
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.backlog import Backlog
from pyservice.delivery.digest import DigestMaker
from pyservice.delivery.retry import RetryPolicy
from pyservice.delivery.settlement import Settlement, settle_attempt
from pyservice.errors import GroupChangedError, LostLeaseError, RenderError
from pyservice.events import (
    AttemptEnded,
    Events,
    MailAccepted,
    ReportChanged,
    ReportEnded,
)
from pyservice.mail.composer import Composer, ComposerLimits
from pyservice.mail.message import Addressing
from pyservice.mail.renderer import Renderer
from pyservice.outbox.engines import cause
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.states import State
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from pyservice.smtp import Connection, Outcome, Timeouts

_log = structlog.get_logger()


@dataclass(frozen=True)
class DeliveryLimits:
    """How much a worker does at once, and how long it waits."""

    connections: int = 16
    """To Postfix, each in a thread. Postfix sees one client, and limits its connections."""
    idle: float = 5.0
    """Seconds after which a connection without work is closed, and the outbox is read again."""
    backlog: int = 64
    """Reports that are handed over in memory; more of them wait in the outbox."""
    grace: float = 5.0
    """Seconds for attempts under way when the service stops."""
    retry: RetryPolicy = RetryPolicy()
    smtp: Timeouts = Timeouts()
    composer: ComposerLimits = ComposerLimits()


class DeliveryWorker:
    """Sends in the background between `start` and `stop`."""

    def __init__(
        self,
        outbox: Outbox,
        renderer: Renderer,
        live: LiveSettings,
        events: Events,
        limits: DeliveryLimits = DeliveryLimits(),
    ) -> None:
        self._outbox, self._live, self._events, self._limits = outbox, live, events, limits
        self._composer = Composer(renderer, limits.composer)
        self._digests = DigestMaker(outbox.groups, renderer, live, events)
        self._backlog = Backlog(outbox, claims=limits.connections, idle=limits.idle)
        settings = live.settings
        self._connections = [
            Connection(settings.smtp_host, settings.smtp_port, timeouts=limits.smtp)
            for _ in range(limits.connections)
        ]
        self._threads = [
            threading.Thread(target=self._work, args=(connection,), daemon=True)
            for connection in self._connections
        ]

    def start(self) -> None:
        """Begin with whatever is due."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop soon: a mail that Postfix hasn't got any of is left for the next start.

        A message under way is finished within the grace; after that it is ended without a reply,
        and may be doubled.
        """
        self._backlog.stop()
        for connection in self._connections:
            connection.hang_up(even_while_sending=False)
        self._join(self._limits.grace)
        for connection in self._connections:
            connection.hang_up(even_while_sending=True)
        self._join(1)
        self._composer.close()
        self._backlog.release()

    def _join(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def accept_and_send(
        self,
        report: Report,
        recipients: Recipients,
        *,
        owner: str,
        key: str | None = None,
        digest_group: DigestGroup | None = None,
    ) -> Future[tuple[QueuedReport, bool]]:
        """Accept a report as `Outbox.accept` does, and send its mail as soon as possible.

        The future ends when the report is committed; the mail is sent afterwards.
        """
        # A thread gets a held report in memory, without a read. If many are held already, this one
        # waits in the outbox instead.
        hold = len(self._backlog) < self._limits.backlog and not self._backlog.is_stopped
        accepted = self._outbox.accept(
            report, recipients, owner=owner, key=key, hold=hold, digest_group=digest_group
        )
        accepted.add_done_callback(self._hold_accepted if hold else lambda _: self.wake())
        return accepted

    def _hold_accepted(self, accepted: Future[tuple[QueuedReport, bool]]) -> None:
        if accepted.cancelled() or accepted.exception():
            return
        report, is_new = accepted.result()
        if is_new and report.digest_group is None:
            self._backlog.hold(report)

    def wake(self) -> None:
        """Let a thread read the outbox, in which there may be something new."""
        self._backlog.wake()

    def _work(self, connection: Connection) -> None:
        """Claim and deliver one report after the other, until `stop`."""
        while not self._backlog.is_stopped:
            wakeups = self._backlog.wakeups
            try:
                report = self._backlog.claim()
                if report is not None:
                    self._deliver(report, connection)
                elif not self._backlog.wait(wakeups):
                    connection.close()
            except Exception:
                # The disk may be full. The report was given back, so go on trying.
                _log.exception("worker.failed")
                time.sleep(1)
        connection.close()

    def _deliver(self, report: QueuedReport, connection: Connection) -> None:
        """Prepare, send, settle. Until the attempt begins, an error gives the report back."""
        settings = self._live.settings
        try:
            mail = self._prepare(report, settings)
        except LostLeaseError:
            _log.warning("mail.lost_lease", id=report.id)
        except RenderError as error:
            self._fail(report, error)
        except GroupChangedError:  # one of the group was cancelled, for example
            self._backlog.hold(report)
        except Exception:
            self._backlog.hold(report)
            raise
        else:
            if mail is not None:
                outcome = self._send(report, mail, connection, settings)
                self._settle(report, outcome)

    def _prepare(self, report: QueuedReport, settings: Settings) -> bytes | None:
        """Return the mail to send now, and commit that its attempt begins.

        Returns:
            None, if nothing is to be sent: the report became a digest, which is sent at its next
            turn, or this is a dry run.

        Raises:
            LostLeaseError: another service has claimed it meanwhile.
            GroupChangedError: its digest can't be made of the reports that were read.
            RenderError: no mail can be made of it.
        """
        if report.digest_group is not None and report.mail is None:
            self._backlog.hold(self._digests.make(report))
            return None
        mail = report.mail or self._render(report, settings)
        if settings.dry_run:
            self._skip(report, mail)
            return None
        self._outbox.start_attempt(report, mail, settings.reroute_to)
        return mail

    def _render(self, report: QueuedReport, settings: Settings) -> bytes:
        addressing = Addressing(
            settings.sender_mailbox, report.recipients, report.message_id, report.date
        )
        try:
            with self._events.rendering():
                return self._composer.compose(
                    report.report, addressing, others_wait=bool(self._backlog)
                )
        except RenderError:
            raise
        except Exception as error:
            _log.exception("mail.render_failed", id=report.id)
            raise RenderError(str(error)) from error

    def _send(
        self, report: QueuedReport, mail: bytes, connection: Connection, settings: Settings
    ) -> Outcome:
        """Hand the mail to Postfix, and return the outcome for the report's own recipients."""
        rerouted = settings.reroute_to
        recipients = report.pending_recipients if rerouted is None else (rerouted,)
        began = time.perf_counter()
        try:
            outcome = connection.send(settings.sender_mailbox.address, recipients, mail)
        except Exception as error:
            _log.exception("smtp.error", id=report.id)
            connection.close()
            reply = f"the service failed while sending: {error}"
            deferred = dict.fromkeys(recipients, reply)
            outcome = Outcome(deferred=deferred, reply=reply, is_unconfirmed=True)
        self._events.announce(AttemptEnded(outcome.kind, time.perf_counter() - began))
        return (
            outcome
            if rerouted is None
            else outcome.for_original_recipients(report.pending_recipients)
        )

    def _settle(self, report: QueuedReport, outcome: Outcome) -> None:
        """Commit what follows from an attempt, and log it."""
        now = time.time()
        settlement = settle_attempt(
            report,
            outcome,
            self._limits.retry,
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

    def _fail(self, report: QueuedReport, error: RenderError) -> None:
        """Keep a report for a person: to render it again would end the same way."""
        note = f"It could not be rendered: {error}"
        self._commit(report, Settlement(state=State.FAILED, note=note, error=note))
        _log.error("mail.failed", id=report.id, job=report.report.build.job, reason=str(error))

    def _skip(self, report: QueuedReport, mail: bytes) -> None:
        """End a report in a dry run: its mail is kept, and not sent."""
        note, pending = "DRY_RUN is set: the mail was not sent", report.pending_recipients
        self._commit(
            report,
            Settlement(state=State.SKIPPED, note=note, mail=mail, pending_recipients=pending),
        )
        _log.info("mail.skipped", id=report.id, job=report.report.build.job)

    def _commit(self, report: QueuedReport, settlement: Settlement) -> None:
        """Commit a settlement. The report stays claimed until then, else it would be sent twice."""
        while True:
            try:
                state = self._outbox.finish_attempt(report, **vars(settlement))
                break
            except SQLAlchemyError as error:
                _log.error("outbox.error", id=report.id, reason=cause(error))
                if self._backlog.is_stopped:
                    return
                time.sleep(1)
        if state != State.QUEUED:
            self._events.announce(ReportEnded(state))
        self._events.announce(ReportChanged(report.id, report.owner, report.report.build.job))
