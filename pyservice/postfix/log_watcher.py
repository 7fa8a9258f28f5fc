"""What became of our mails behind Postfix, from its log: relayed, deferred, bounced.

The log also settles what SMTP left open: a mail whose reply to the final dot was lost is not sent
again if Postfix says that it has it.
"""

import re
import threading
import time
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.description.updater import DescriptionUpdater
from pyservice.errors import SetupError
from pyservice.identity import report_id_of
from pyservice.metrics import Metrics
from pyservice.outbox.engines import cause
from pyservice.outbox.models import LogEvent, Receipt
from pyservice.outbox.receipts import NewReceipts, ReceiptStore
from pyservice.postfix import log_relay
from pyservice.postfix.backoff import Backoff
from pyservice.postfix.log import CHUNK, Delivery, FileLog, JournalLog, Line, Log

PAUSE = 0.5
"""Seconds between two looks."""
RETRY = 5.0
"""Seconds after a log could not be read."""
CATCH_UP = 5.0
"""Seconds at most that a start waits until what was logged meanwhile is known."""
JOURNAL = "journal"
MAX_REPLY = 500

_QUEUED = re.compile(r"from=<.*>, size=\d+, nrcpt=(?P<count>\d+) \(queue active\)")
_STATES = {"sent": "relayed", "deferred": "deferred"}

_log = structlog.get_logger()


class LogWatcher:
    """Reads on in the background between `start` and `stop`."""

    def __init__(
        self,
        ledger: ReceiptStore,
        source: str | None,
        metrics: Metrics,
        callback: DescriptionUpdater,
    ) -> None:
        """Nothing is read yet.

        Args:
            ledger: where it is recorded.
            source: the log's path, or `journal`; None: what `notify-email share-log` writes, if it
                runs on this node.
            metrics: told of each receipt.
            callback: told of each report that there is news of.
        """
        self._ledger, self._metrics, self._callback = ledger, metrics, callback
        has_shared = log_relay.FILE.parent.is_dir()
        self._source = source or (str(log_relay.FILE) if has_shared else None)
        self._log: Log | None = None
        self._report_ids: dict[str, str] = {}
        """Of the mails in Postfix' queue, by their queue ID."""
        self._unwritten: list[LogEvent] = []
        self._backoff = Backoff()
        self._looked = 0.0
        """Before this time was written what was read before; 0: nobody knows."""
        self._is_up_to_date = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._troubled = ""

    def start(self) -> None:
        """Read what was logged while nobody looked, and go on in the background."""
        if self._source is None:
            return
        ends = time.monotonic() + CATCH_UP
        while self.step() and time.monotonic() < ends:
            pass
        self._thread.start()

    def stop(self) -> None:
        """Return soon; the next start goes on where this one was."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def step(self) -> bool:
        """Record what came since; whether there may be more at once."""
        try:
            if self._log is None:
                self._log = self._opened()
            began = time.time()
            lines = self._log.lines()
            # What is read in pieces, or from a log that was rotated, is older than it seems.
            self._is_up_to_date = not lines or (
                self._is_up_to_date and sum(map(len, lines)) < CHUNK // 2
            )
            if lines:
                self._unwritten += [found for text in lines if (found := self._read(text))]
            if self._is_up_to_date:
                self._looked = began
            if lines:
                self._record(self._log)
        except (SetupError, SQLAlchemyError) as error:
            # What was read is written with the next step.
            told = cause(error)
            if told != self._troubled:
                _log.warning("receipts.error", reason=told)
            self._troubled = told
            self._is_up_to_date = False
            return False
        self._troubled = ""
        return bool(lines)

    def _opened(self) -> Log:
        position = self._ledger.position()
        mark = position["mark"] if position else None
        log = (
            JournalLog(mark) if self._source == JOURNAL else FileLog(Path(self._source or ""), mark)
        )
        if position is None:
            self._looked = time.time()
            self._record(log)  # a crash from now on must not lose what comes
        else:
            self._report_ids = dict(position["report_ids"])
            self._looked = position.get("looked", 0.0)
        return log

    def _record(self, log: Log) -> None:
        position = {"mark": log.mark, "report_ids": self._report_ids, "looked": self._looked}
        news = self._ledger.record(self._unwritten, position)
        self._unwritten = []
        self._count(news)

    def is_log_readable(self) -> bool | None:
        """Whether the last look worked; None: there is no log to look at."""
        return None if self._source is None else not self._troubled

    def _count(self, news: NewReceipts) -> None:
        for receipt in news.receipts:
            self._metrics.receipt(receipt.state)
        for _ in range(news.confirmed):
            self._metrics.mail_ended("accepted")
        for report_id in news.report_ids:
            self._callback.changed(report_id)

    def _work(self) -> None:
        while not self._stopping.wait(RETRY if self._troubled else PAUSE):
            try:
                self.step()
            except Exception as error:
                self._troubled = str(error) or repr(error)
                _log.exception("receipts.error")

    def _read(self, text: str) -> LogEvent | None:
        line = Line.parse(text)
        if line is None:
            return None
        if (named := line.message_id) is not None:
            if report_id := report_id_of(named):
                self._report_ids[line.queue_id] = report_id
            return None
        report_id = self._report_ids.get(line.queue_id)
        if line.is_end:
            self._report_ids.pop(line.queue_id, None)
        elif (delivery := line.delivery) is not None:
            return LogEvent(report_id, line.queue_id, receipt=self._receipt(delivery))
        elif report_id and (queued := _QUEUED.fullmatch(line.text)):
            return LogEvent(report_id, line.queue_id, recipients=int(queued["count"]))
        return None

    def _receipt(self, delivery: Delivery) -> Receipt:
        now, state = time.time(), _STATES.get(delivery.status, "bounced")
        window = None
        if state == "deferred" and self._looked:
            window = self._backoff.next_try(delivery.delay, min(self._looked, now), now)
        after, before = window or (None, None)
        reply = delivery.reply[:MAX_REPLY]
        return Receipt(delivery.recipient, state, reply, now, after, before)
