"""Takes what is due in the outbox to Postfix, in a few threads: claim, prepare, send, settle."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.auth.permissions import Permissions
from pyservice.background_threads import join_all
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.addressing import addressing_of
from pyservice.delivery.backlog import Backlog
from pyservice.delivery.completer import Completer, CompleterLimits
from pyservice.delivery.digest import DigestMaker
from pyservice.delivery.retry import RetryPolicy
from pyservice.delivery.settler import Settler
from pyservice.delivery.template_faults import TemplateFaults
from pyservice.errors import GroupChangedError, LostLeaseError, RenderError, os_reason
from pyservice.events import AttemptEnded, Events, ReportChanged, ReportEnded
from pyservice.mail.composer import Composer, ComposerLimits
from pyservice.mail.renderer import Renderer
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker
from pyservice.smtp import Connection, Outcome, Timeouts

_log = structlog.get_logger()


@dataclass(frozen=True)
class DeliveryLimits:
    """How much a worker does at once, and how long it waits."""

    connections: int = 16
    """To Postfix, each in a thread. Postfix sees one client, and limits its connections."""
    idle: float = 5.0
    """Seconds for which a connection without work stays open, at least, and after which the outbox
    is read again."""
    backlog: int = 64
    """Reports that are handed over in memory; more of them wait in the outbox."""
    grace: float = 5.0
    """Seconds for attempts under way when the service stops."""
    retry: RetryPolicy = RetryPolicy()
    smtp: Timeouts = Timeouts()
    composer: ComposerLimits = ComposerLimits()
    completer: CompleterLimits = CompleterLimits()


class DeliveryWorker:
    """Sends in the background between `start` and `stop`."""

    def __init__(
        self,
        outbox: Outbox,
        renderer: Renderer,
        live: LiveSettings,
        events: Events,
        limits: DeliveryLimits = DeliveryLimits(),
        *,
        permissions_of: Callable[[str], Permissions | None],
        masker: SecretMasker,
    ) -> None:
        self._outbox, self._live, self._events, self._limits = outbox, live, events, limits
        self._composer = Composer(renderer, limits.composer)
        self._template_faults = TemplateFaults(outbox, events)
        self._digests = DigestMaker(outbox.groups, renderer, live, events, self._template_faults)
        self._backlog = Backlog(outbox, claims=limits.connections, idle=limits.idle)
        self._completer = Completer(
            outbox,
            live,
            events,
            permissions_of=permissions_of,
            masker=masker,
            ready=self._backlog.hold,
            limits=limits.completer,
        )
        self._settler = Settler(
            outbox, events, limits.retry, is_stopped=lambda: self._backlog.is_stopped
        )
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
        self._completer.start()

    def stop(self) -> None:
        """Stop soon: a mail that Postfix hasn't got any of is left for the next start.

        A message under way is finished within the grace; after that it is ended without a reply,
        and may be doubled.
        """
        self._backlog.stop()
        for connection in self._connections:
            connection.hang_up(even_while_sending=False)
        join_all(self._threads, self._limits.grace)
        for connection in self._connections:
            connection.hang_up(even_while_sending=True)
        join_all(self._threads, 1)
        self._completer.stop()
        self._composer.close()
        self._backlog.release()

    def accept_and_send(
        self,
        report: Report,
        recipients: Recipients,
        *,
        owner: str,
        controller: str | None = None,
        key: str | None = None,
        digest_group: DigestGroup | None = None,
    ) -> Future[tuple[QueuedReport, bool]]:
        """Accept a report as `Outbox.accept` does, and send its mail as soon as possible.

        The future ends when the report is committed; the mail is sent afterwards.
        """
        # A thread gets a held report in memory, without a read. If many are held already, or files
        # are with it, this one waits in the outbox instead.
        is_small = not report.attachments
        room = len(self._backlog) < self._limits.backlog and not self._backlog.is_stopped
        hold = is_small and room
        is_provisional = bool(report.mail.recipients) and self._completer.takes(report, owner)
        if is_provisional:
            recipients = recipients.without_missing_people
        accepted = self._outbox.accept(
            report,
            recipients,
            owner=owner,
            controller=controller,
            key=key,
            hold=hold,
            digest_group=digest_group,
            is_for_nobody=not recipients.addresses and not is_provisional,
        )
        accepted.add_done_callback(self._hold_accepted if hold else lambda _: self.wake())
        return accepted

    def reads_files(self, report: Report, owner: str) -> bool:
        """Return whether the files that a new report wants are read, as far as is known now."""
        return self._completer.takes(report, owner)

    def _hold_accepted(self, accepted: Future[tuple[QueuedReport, bool]]) -> None:
        if accepted.cancelled() or accepted.exception():
            return
        report, is_new = accepted.result()
        if is_new and report.has_nobody:
            self._events.announce(ReportEnded(report.state))
            self._events.announce(ReportChanged(report.id, report.owner, report.report.build.job))
        elif is_new and report.digest_group is None:
            self._backlog.hold(report)
        elif is_new:
            self.wake()

    def wake(self) -> None:
        """Let a thread read the outbox, in which there may be something new."""
        self._backlog.wake()

    def _work(self, connection: Connection) -> None:
        """Claim and deliver one report after the other, until `stop`."""
        while not self._backlog.is_stopped:
            try:
                report = self._backlog.claim()
                if report is not None:
                    self._deliver(report, connection)
                elif not self._backlog.wait():
                    connection.close_idle(self._limits.idle)
            except SQLAlchemyError:
                # The disk may be full, says the outbox. The report was given back: go on trying.
                time.sleep(1)
            except OSError as error:
                _log.error("worker.failed", reason=os_reason(error))
                time.sleep(1)
            except Exception:
                _log.exception("worker.failed")
                time.sleep(1)
        connection.close()

    def _deliver(self, report: QueuedReport, connection: Connection) -> None:
        """Prepare, send, settle. Until the attempt begins, an error gives the report back."""
        settings = self._live.settings
        try:
            if self._completer.take(report):
                return
            if not report.recipients.addresses:
                self._settler.skip_for_nobody(report)
                return
            mail = self._prepare(report, settings)
        except LostLeaseError:
            _log.warning("mail.lost_lease", id=report.id)
        except RenderError as error:
            self._settler.fail(report, error)
        except GroupChangedError:  # one of the group was cancelled, for example
            self._backlog.hold(report)
        except Exception:
            self._backlog.hold(report)
            raise
        else:
            if mail is not None:
                outcome = self._send(report, mail, connection, settings)
                if self._settler.settle(report, outcome):
                    self.wake()

    def _prepare(self, report: QueuedReport, settings: Settings) -> bytes | None:
        """Return the mail to send now, and commit that its attempt begins.

        Returns:
            None, if nothing is to be sent: the report became a digest, which is sent at its next
            turn, or this is a dry run.

        Raises:
            LostLeaseError: another service has claimed it meanwhile.
            GroupChangedError: its digest can't be made of the reports that were read.
            RenderError: no mail can be made of it.
            OSError: none can be made now, since the machine has no file descriptors left, say.
        """
        if report.digest_group is not None and report.mail is None:
            self._backlog.hold(self._digests.make(report))
            return None
        mail = report.mail or self._render(report, settings)
        if settings.dry_run or report.report.mail.dry_run:
            self._settler.skip(report, mail)
            return None
        self._outbox.start_attempt(report, mail, settings.reroute_to)
        return mail

    def _render(self, report: QueuedReport, settings: Settings) -> bytes:
        try:
            with self._events.rendering():
                return self._composer.compose(
                    report.report,
                    addressing_of(report, settings),
                    others_wait=bool(self._backlog),
                    on_fault=partial(
                        self._template_faults.record, report, report.report.mail.template
                    ),
                )
        except (RenderError, OSError):
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
