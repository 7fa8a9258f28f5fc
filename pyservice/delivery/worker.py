"""Claim → send → settle: takes what is due in the outbox to Postfix, in a few threads."""

import random
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.config.live import LiveSettings
from pyservice.delivery.digest import with_others
from pyservice.delivery.retry import retry_delay
from pyservice.description.updater import DescriptionUpdater
from pyservice.errors import GroupChangedError, LostLeaseError, RenderError
from pyservice.mail.composer import Composer
from pyservice.mail.message import Addressing
from pyservice.mail.renderer import Renderer
from pyservice.metrics import ENDS, Metrics
from pyservice.outbox.engines import cause
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from pyservice.smtp import Connection, Outcome

WORKERS = 16
"""Connections to Postfix; it sees them as one client, and has a limit for that."""
IDLE = 5.0
"""Seconds after which a connection without work is closed, and the outbox is asked again."""
BACKLOG = 64
"""Entries that are handed over without a look into the outbox; beyond it they wait there."""
GRACE = 5.0
"""Seconds for what is under way when the service is told to stop."""

_log = structlog.get_logger()


class DeliveryWorker:
    """Sends in the background between `start` and `stop`."""

    def __init__(
        self,
        outbox: Outbox,
        renderer: Renderer,
        current: LiveSettings,
        metrics: Metrics,
        callback: DescriptionUpdater,
    ) -> None:
        self._outbox, self._renderer, self._current = outbox, renderer, current
        self._metrics, self._callback = metrics, callback
        self._news = threading.Condition()
        self._count = 0
        self._composer = Composer(renderer, current)
        self._held: deque[QueuedReport] = deque()
        """Taken from the outbox, and nobody's yet."""
        self._stopping = False
        settings = current.settings
        self._connections = [
            Connection(settings.smtp_host, settings.smtp_port) for _ in range(WORKERS)
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
        """Return soon: what Postfix hasn't got a message of is left for the next start.

        A message that is on its way is waited for; what has no reply then may be doubled.
        """
        with self._news:
            self._stopping = True
            self._news.notify_all()
        for connection in self._connections:
            connection.hang_up(even_while_sending=False)
        self._join(GRACE)
        for connection in self._connections:
            connection.hang_up(even_while_sending=True)
        self._join(1)
        self._composer.close()
        try:
            self._outbox.release(*self._held)
        except SQLAlchemyError as error:  # they are free again when their lease has run out
            _log.error("outbox.error", reason=cause(error))

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
        hold = len(self._held) < BACKLOG and not self._stopping
        accepted = self._outbox.accept(
            report, recipients, owner=owner, key=key, hold=hold, digest_group=digest_group
        )
        accepted.add_done_callback(self._accepted if hold else lambda _: self.wake())
        return accepted

    def _accepted(self, accepted: Future[tuple[QueuedReport, bool]]) -> None:
        if accepted.cancelled() or accepted.exception():
            return
        entry, is_new = accepted.result()
        if is_new and entry.digest_group is None:
            with self._news:
                self._held.append(entry)
                self._news.notify()

    def wake(self) -> None:
        """There may be something new in the outbox."""
        with self._news:
            self._count += 1
            self._news.notify()

    def _work(self, connection: Connection) -> None:
        while not self._stopping:
            seen = self._count
            try:
                entry = self._next()
                if entry is None:
                    self._rest(connection, seen)
                else:
                    self._deliver(entry, connection)
            except Exception:
                # A full disk, say: what was taken has been given back, so go on trying.
                _log.exception("courier.error")
                time.sleep(1)
        connection.close()

    def _next(self) -> QueuedReport | None:
        with self._news:
            if self._held:
                return self._held.popleft()
        taken = self._outbox.claim(WORKERS)
        with self._news:
            self._held.extend(taken[1:])
            self._news.notify(len(taken[1:]))
        return taken[0] if taken else None

    def _rest(self, connection: Connection, seen: int) -> None:
        """Wait for news, for the next retry, or long enough to hang up."""
        due = self._outbox.next_due()
        wait = IDLE if due is None else min(max(due - time.time(), 0.01), IDLE)
        with self._news:
            is_quiet = self._count == seen and not self._held and not self._stopping
            if is_quiet and not self._news.wait(wait):
                connection.close()

    def _deliver(self, entry: QueuedReport, connection: Connection) -> None:
        if entry.digest_group is not None and entry.mail is None:
            try:
                entry = with_others(
                    entry,
                    self._outbox.groups,
                    self._current,
                    self._renderer,
                    self._metrics,
                    self._callback,
                )
            except LostLeaseError:
                _log.warning("mail.lost_lease", id=entry.id)
                return
            except GroupChangedError:  # somebody cancelled one of them, say
                self._put_back(entry)
                return
            except BaseException:
                self._put_back(entry)
                raise
        try:
            mail = entry.mail or self._rendered(entry)
        except Exception as error:
            # Trying again would end the same way: keep it for a person, and say where it broke.
            if not isinstance(error, RenderError):
                _log.exception("mail.error", id=entry.id)
            told = f"It could not be rendered: {error}"
            self._settle(entry, state="failed", note=told, error=told)
            _log.error("mail.failed", id=entry.id, job=entry.report.build.job, reason=str(error))
            return
        settings = self._current.settings
        if settings.dry_run:
            told = "DRY_RUN is set: Postfix was not asked"
            self._settle(
                entry,
                state="skipped",
                note=told,
                mail=mail,
                pending_recipients=entry.pending_recipients,
            )
            _log.info("mail.skipped", id=entry.id, job=entry.report.build.job)
            return
        to = settings.reroute_to
        try:
            self._outbox.start_attempt(entry, mail, to)
        except LostLeaseError:
            _log.warning("mail.lost_lease", id=entry.id)
            return
        except BaseException:
            self._put_back(entry)
            raise
        sender = settings.sender_mailbox.address
        began = time.perf_counter()
        try:
            if to is None:
                outcome = connection.send(sender, entry.pending_recipients, mail)
            else:
                outcome = connection.send(sender, (to,), mail).shared_by(entry.pending_recipients)
        except Exception as error:
            _log.exception("smtp.error", id=entry.id)
            connection.close()
            reply = f"the service failed while sending: {error}"
            deferred = dict.fromkeys(entry.pending_recipients, reply)
            outcome = Outcome(deferred=deferred, reply=reply, uncertain=True)
        self._metrics.attempted(outcome, time.perf_counter() - began)
        self._conclude(entry, outcome)

    def _put_back(self, entry: QueuedReport) -> None:
        with self._news:
            self._held.append(entry)

    def _rendered(self, entry: QueuedReport) -> bytes:
        addressing = Addressing(
            self._current.settings.sender_mailbox, entry.recipients, entry.message_id, entry.date
        )
        with self._metrics.rendering():
            return self._composer.compose(entry.report, addressing, others_wait=bool(self._held))

    def _conclude(self, entry: QueuedReport, outcome: Outcome) -> None:
        """Settle an attempt. Recipients who were deferred are tried again, and they alone."""
        now = time.time()
        log = _log.bind(id=entry.id, job=entry.report.build.job, attempt=entry.attempts + 1)
        uncertain = entry.unconfirmed_attempts + outcome.uncertain
        delay = retry_delay(
            outcome.deferred.values(),
            attempt=entry.attempts + 1,
            age=now - entry.created_at,
            uncertain=uncertain,
            fraction=random.random(),  # noqa: S311 - not to retry all at once
        )
        is_taken = entry.accepted_by_postfix or bool(outcome.accepted)
        if outcome.accepted and not entry.accepted_by_postfix:
            self._metrics.handed_over(now - entry.created_at)
        note = _note(outcome)
        settled: dict[str, Any] = {
            "error": note if outcome.deferred or outcome.refused else None,
            "accepted_by_postfix": bool(outcome.accepted),
            "unconfirmed": outcome.uncertain,
            "queue_id": outcome.queue_id,
        }
        if outcome.deferred and delay is not None:
            settled |= {
                "pending_recipients": tuple(outcome.deferred),
                "next_attempt_at": now + delay,
            }
            note = f"{note}; next attempt in {delay:.0f} s"
            self._settle(entry, state="queued", note=note, **settled)
            log.warning("mail.deferred", reply=outcome.reply, seconds=round(delay))
            return
        if outcome.deferred:
            note = f"{note}; given up"
        self._settle(entry, state="accepted" if is_taken else "failed", note=note, **settled)
        if not is_taken:
            log.error("mail.failed", reply=outcome.reply)
        elif outcome.deferred or outcome.refused:
            missing = len(outcome.deferred) + len(outcome.refused)
            log.warning("mail.accepted", queue_id=outcome.queue_id, missing=missing)
        else:
            log.info("mail.accepted", queue_id=outcome.queue_id)

    def _settle(self, entry: QueuedReport, *, state: str, **settlement: Any) -> None:
        """Until it is committed the entry stays taken: else a full disk would double the mail."""
        while True:
            try:
                state = self._outbox.finish_attempt(entry, state=state, **settlement)
                break
            except SQLAlchemyError as error:
                _log.error("outbox.error", id=entry.id, reason=cause(error))
                if self._stopping:
                    return
                time.sleep(1)
        if state in ENDS:
            self._metrics.mail_ended(state)
        self._callback.changed(entry.id)


def _note(outcome: Outcome) -> str:
    parts = [outcome.reply]
    for verb, told in (("refused", outcome.refused), ("deferred", outcome.deferred)):
        parts += [
            f"{verb} {who}: {reply}"
            for who, reply in told.items()
            if outcome.accepted or reply != outcome.reply
        ]
    if outcome.uncertain:
        parts.append("Postfix may have it all the same, so it may be doubled")
    return "; ".join(parts)
