"""Claim → send → settle: takes what is due in the outbox to Postfix, in a few threads."""

import random
import threading
import time
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.entries import Entry
from pyservice.errors import RenderError
from pyservice.mail import compose
from pyservice.outbox import Outbox
from pyservice.renderer import Renderer
from pyservice.settings import Settings
from pyservice.smtp import Connection, Outcome

WORKERS = 4
"""Connections to Postfix; it sees them as one client, and has a limit for that."""
IDLE = 5.0
"""Seconds after which a connection without work is closed."""
FIRST_DELAY = 5.0
LONGEST_DELAY = 900.0
GIVE_UP_AFTER = 5 * 24 * 3600.0
"""Seconds; Postfix' own maximal_queue_lifetime."""

_log = structlog.get_logger()


def retry_delay(attempt: int, age: float) -> float | None:
    """Seconds until the next attempt, or None: give up.

    Args:
        attempt: how many there were, at least 1.
        age: seconds since the report was accepted.
    """
    if age >= GIVE_UP_AFTER:
        return None
    return float(min(FIRST_DELAY * 2 ** min(attempt - 1, 20), LONGEST_DELAY))


class Courier:
    """Sends in the background between `start` and `stop`."""

    def __init__(self, outbox: Outbox, renderer: Renderer, settings: Settings) -> None:
        self._outbox, self._renderer, self._settings = outbox, renderer, settings
        self._news = threading.Condition()
        self._count = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"courier-{number}", daemon=True)
            for number in range(WORKERS)
        ]

    def start(self) -> None:
        """Begin with whatever is due."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the attempts under way, then return."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """There is something new in the outbox."""
        with self._news:
            self._count += 1
            self._news.notify()

    def _work(self) -> None:
        connection = Connection(self._settings.smtp_host, self._settings.smtp_port)
        while not self._stopping:
            seen = self._count
            try:
                entry = self._outbox.take()
                if entry is None:
                    self._rest(connection, seen)
                else:
                    self._deliver(entry, connection)
            except Exception:
                # A full disk, say: what was taken has been given back, so go on trying.
                _log.exception("courier.error")
                time.sleep(1)
        connection.close()

    def _rest(self, connection: Connection, seen: int) -> None:
        """Wait for news, for the next retry, or long enough to hang up."""
        due = self._outbox.next_due()
        wait = IDLE if due is None else min(max(due - time.time(), 0.01), IDLE)
        with self._news:
            if self._count == seen and not self._stopping and not self._news.wait(wait):
                connection.close()

    def _deliver(self, entry: Entry, connection: Connection) -> None:
        try:
            addressing = entry.addressing(self._settings.sender_mailbox)
            mail = entry.mail or compose(entry.report, addressing, self._renderer)
        except Exception as error:
            # Trying again would end the same way: keep it for a person, and say where it broke.
            if not isinstance(error, RenderError):
                _log.exception("mail.error", id=entry.id)
            self._settle(entry, state="failed", note=f"It could not be rendered: {error}")
            _log.error("mail.failed", id=entry.id, job=entry.report.build.job, reason=str(error))
            return
        try:
            self._outbox.sending(entry, mail)
        except BaseException:
            self._outbox.release(entry)
            raise
        sender = self._settings.sender_mailbox.address
        self._conclude(entry, connection.send(sender, entry.pending, mail))

    def _conclude(self, entry: Entry, outcome: Outcome) -> None:
        """Settle an attempt. Recipients who were deferred are tried again, and they alone."""
        now = time.time()
        log = _log.bind(id=entry.id, job=entry.report.build.job, attempt=entry.attempts + 1)
        note = _note(outcome)
        delay = retry_delay(entry.attempts + 1, now - entry.created)
        if outcome.deferred and delay is not None:
            delay *= random.uniform(0.8, 1.2)  # noqa: S311 - not to retry all at once
            self._settle(
                entry,
                state="queued",
                note=f"{note}; next attempt in {delay:.0f} s",
                pending=tuple(outcome.deferred),
                due=now + delay,
                queue_id=outcome.queue_id,
            )
            log.warning("mail.deferred", reply=outcome.reply, seconds=round(delay))
        elif outcome.accepted or entry.queue_id:
            self._settle(entry, state="accepted", note=note, queue_id=outcome.queue_id)
            log.info("mail.accepted", queue_id=outcome.queue_id, refused=len(outcome.refused))
        else:
            self._settle(entry, state="failed", note=note)
            log.error("mail.failed", reply=outcome.reply)

    def _settle(self, entry: Entry, **settlement: Any) -> None:
        """Until it is committed the entry stays taken: else a full disk would double the mail."""
        while True:
            try:
                return self._outbox.settle(entry, **settlement)
            except SQLAlchemyError as error:
                _log.error("outbox.error", id=entry.id, reason=str(error.__cause__ or error))
                if self._stopping:
                    return None
                time.sleep(1)


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
