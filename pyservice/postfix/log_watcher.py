"""Reads in Postfix' log whether our mails were relayed, deferred or bounced.

The log also settles unconfirmed attempts: a mail whose reply to the final dot was lost is not sent
again if Postfix has it.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.background_threads import BackgroundThread
from pyservice.config.live import LiveSettings
from pyservice.errors import SetupError
from pyservice.events import Events, ReceiptRecorded, ReportEnded
from pyservice.outbox.engines import cause
from pyservice.outbox.models import LogEvent, Receipt
from pyservice.outbox.receipts import NewReceipts, ReceiptStore
from pyservice.outbox.states import State
from pyservice.postfix import log_relay
from pyservice.postfix.backoff import Backoff
from pyservice.postfix.log import CHUNK, FileLog, JournalLog, Log
from pyservice.postfix.log_line import Delivery, Line
from pyservice.postfix.own_mails import OwnMails

JOURNAL = "journal"
MAX_REPLY = 500
"""Characters that are kept of a reply."""

_STATES = {"sent": "relayed", "deferred": "deferred"}

_log = structlog.get_logger()


@dataclass(frozen=True)
class LogWatcherLimits:
    """How many seconds a log watcher waits."""

    pause: float = 0.5
    """Between two reads."""
    retry: float = 5.0
    """After a log could not be read."""
    catch_up: float = 5.0
    """At most, at the start, until it has read what was logged meanwhile."""


class LogWatcher:
    """Reads Postfix' log in the background between `start` and `stop`."""

    def __init__(
        self,
        receipts: ReceiptStore,
        live: LiveSettings,
        events: Events,
        limits: LogWatcherLimits = LogWatcherLimits(),
    ) -> None:
        """Read nothing yet.

        Args:
            receipts: where receipts are recorded.
            live: has POSTFIX_LOG, without which the log is what `notify-email share-log` writes,
                if it runs on this node; SMTP_HOST and SENDER, by which our mails are known.
            events: announces what is new.
            limits: how long it waits.
        """
        self._receipts, self._live = receipts, live
        self._events, self._limits = events, limits
        has_shared = log_relay.FILE.parent.is_dir()
        shared = str(log_relay.FILE) if has_shared else None
        self._source = live.settings.postfix_log or shared
        self._log: Log | None = None
        self._mails = OwnMails(live.settings.smtp_host)
        self._unwritten: list[LogEvent] = []
        self._backoff = Backoff()
        self._read_until = 0.0
        """All that was logged before this time is read; 0: this is unknown."""
        self._is_up_to_date = False
        self._thread = BackgroundThread(self._work, "log-watcher")
        self._trouble = ""
        """Why the last read failed."""

    def start(self) -> None:
        """Read what was logged since the last stop, and go on in the background."""
        if self._source is None:
            return
        ends = time.monotonic() + self._limits.catch_up
        while self.step() and time.monotonic() < ends:
            pass
        self._thread.start()

    def stop(self) -> None:
        """Stop soon; the next start goes on from there."""
        self._thread.stop()

    def step(self) -> bool:
        """Record what was logged since the last step; return whether there may be more already."""
        try:
            if self._log is None:
                self._log = self._open()
            began = time.time()
            lines = self._log.lines()
            # What is read in pieces, or from a log that was rotated, is older than it seems.
            self._is_up_to_date = not lines or (
                self._is_up_to_date and sum(map(len, lines)) < CHUNK // 2
            )
            self._unwritten += [event for text in lines if (event := self._parse(text))]
            if self._is_up_to_date:
                self._read_until = began
            if lines:
                self._record(self._log)
        except (SetupError, SQLAlchemyError) as error:
            # What was read is recorded with the next step.
            reason = cause(error)
            if isinstance(error, SetupError) and reason != self._trouble:
                _log.warning("postfix_log.read_failed", reason=reason)
            self._trouble = reason
            self._is_up_to_date = False
            return False
        self._trouble = ""
        return bool(lines)

    def _open(self) -> Log:
        position = self._receipts.position()
        mark = position["mark"] if position else None
        log = (
            JournalLog(mark) if self._source == JOURNAL else FileLog(Path(self._source or ""), mark)
        )
        if position is None:
            self._read_until = time.time()
            self._record(log)  # a crash from now on must not lose what comes
        else:
            self._mails = OwnMails(
                self._live.settings.smtp_host,
                position["report_ids"].items(),
                position.get("clients", {}).items(),
            )
            self._read_until = position.get("looked", 0.0)
        return log

    def _record(self, log: Log) -> None:
        position = {
            "mark": log.mark,
            "report_ids": self._mails.report_ids,
            "clients": self._mails.clients,
            "looked": self._read_until,
        }
        new = self._receipts.record(self._unwritten, position)
        self._unwritten = []
        self._announce(new)

    def is_log_readable(self) -> bool | None:
        """Return whether the last read worked; None: there is no log to read."""
        return None if self._source is None else not self._trouble

    def _announce(self, new: NewReceipts) -> None:
        for report_id, receipt in new.receipts:
            self._events.announce(ReceiptRecorded(receipt.state))
            if receipt.state == State.BOUNCED:
                _log.warning(
                    "mail.bounced", id=report_id, recipient=receipt.recipient, reply=receipt.reply
                )
        for _ in range(new.confirmed):
            self._events.announce(ReportEnded(State.ACCEPTED))
        for changed in new.changed:
            self._events.announce(changed)

    def _work(self) -> None:
        limits = self._limits
        while not self._thread.stopping.wait(limits.retry if self._trouble else limits.pause):
            try:
                self.step()
            except Exception as error:
                self._trouble = str(error) or repr(error)
                _log.exception("postfix_log.read_failed")

    def _parse(self, text: str) -> LogEvent | None:
        line = Line.parse(text)
        if line is None:
            return None
        report_id = self._mails.report_ids.get(line.queue_id)
        if count := self._mails.learn(line, self._live.settings.sender_mailbox.address):
            return LogEvent(report_id, line.queue_id, recipients=count)
        if (delivery := line.delivery) is not None:
            return LogEvent(report_id, line.queue_id, receipt=self._receipt(delivery))
        return None

    def _receipt(self, delivery: Delivery) -> Receipt:
        now, state = time.time(), _STATES.get(delivery.status, "bounced")
        window = None
        if state == "deferred" and self._read_until:
            window = self._backoff.next_try(delivery.delay, min(self._read_until, now), now)
        after, before = window or (None, None)
        reply = delivery.reply[:MAX_REPLY]
        return Receipt(delivery.recipient, state, reply, now, after, before)
