"""The durable queue between the API and Postfix.

A report is committed here before its sender is told 202, its bytes before the first attempt, and
each outcome before the next: a crash at any moment loses nothing. Who works on a row holds it by a
lease; a row that was being sent when its holder died is sent again, and its history says that it
may be doubled.

States: received → queued (the bytes are stored) → sending → accepted (Postfix took it), or failed
(kept for a person), or cancelled by a person, or skipped by a dry run, or digested (in another's
mail); after accepted, as Postfix' log tells, relayed, deferred or bounced. Times are seconds since
the epoch, UTC.
"""

import json
import threading
import time
import uuid
from concurrent.futures import Future
from typing import Any

import sqlalchemy as sa
import structlog

from pyservice.errors import LostLeaseError, NotFoundError
from pyservice.identity import message_id
from pyservice.outbox.batch_writes import BatchWrites, Change, NewReport
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause
from pyservice.outbox.groups import DigestGroups, may_be_taken
from pyservice.outbox.history import history_of
from pyservice.outbox.models import Event, QueuedReport, call_name
from pyservice.outbox.receipts import doubted, free_all
from pyservice.outbox.states import State
from pyservice.outbox.tables import FREE, reports
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report

LEASE = 60.0
"""Seconds for which a row is held; who lives renews it before somebody else may take it."""
FARTHEST = 1800.0
"""Seconds: nothing is due later than that, unless the clock was set back; so it is due at once."""

_log = structlog.get_logger()


class Outbox:
    """The queue. Thread-safe; `close` it."""

    def __init__(
        self, database: Database, *, host: str, node: str, room: Capacity | None = None
    ) -> None:
        """Take back what a crash left behind.

        Args:
            database: where it is kept.
            host: the right side of Message-IDs.
            node: this one's name, for its rows.
            room: how much it may hold; None: no limit.
        """
        self._database, self._host, self._node = database, host, node
        self._holder = f"{node}/{uuid.uuid4().hex}"
        self._batches = BatchWrites(database, self._holder, self._lease, room)
        self.groups = DigestGroups(database, self._holder)
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        if database.is_shared:
            self._keeper.start()
        else:
            database.write(free_all)

    def close(self) -> None:
        """Stop renewing leases."""
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()

    def accept(
        self,
        report: Report,
        recipients: Recipients,
        *,
        owner: str,
        key: str | None = None,
        hold: bool = False,
        digest_group: DigestGroup | None = None,
    ) -> Future[tuple[QueuedReport, bool]]:
        """Commit a report, unless the outbox has it already.

        Args:
            report: the report.
            recipients: who gets its mail.
            owner: the token's name. Each owner has its own keys.
            key: the caller's idempotency key; None: the report's hash is the key.
            hold: lock the row for this service, as `take` does, unless it has a digest group.
            digest_group: the group in which the report waits for a digest; None: it doesn't wait.

        Returns:
            A future that ends with the commit. Its result is the report in the outbox, and whether
            it is new. Its exception is a ConflictError if the key was used for another report, or
            a FullError if the report is new and the outbox is full.
        """
        now, entry_id = time.time(), str(uuid.uuid4())
        entry = QueuedReport(
            id=entry_id,
            owner=owner,
            report_hash=report.digest(),
            message_id=message_id(entry_id, self._host),
            report=report,
            recipients=recipients,
            created_at=now,
            state=State.RECEIVED,
            pending_recipients=recipients.addresses,
            next_attempt_at=now,
            node=self._node,
        )
        new = NewReport(entry, call_name(entry.report_hash, key), hold, digest_group)
        return self._database.submit(self._batches.accept, new)

    def get(self, entry_id: str, *, owner: str) -> tuple[QueuedReport, tuple[Event, ...]]:
        """One entry with its history.

        Raises:
            NotFoundError: there is none, or it is another token's.
        """
        with self._database.read() as read:
            is_meant = reports.c.id == entry_id.replace("\0", "")  # PostgreSQL knows no such text
            row = read.execute(sa.select(reports).where(is_meant)).mappings().one_or_none()
            if row is None or owner != row["owner"]:
                raise NotFoundError("There is no such report.")
            return QueuedReport.of(row), history_of(read, entry_id)

    def take(self, limit: int = 1) -> list[QueuedReport]:
        """Entries that are due, for this process alone until `settle` or `release`.

        Args:
            limit: how many at most.
        """
        now = time.time()
        is_due = sa.or_(
            reports.c.next_attempt_at <= now, reports.c.next_attempt_at > now + FARTHEST
        )
        due = sa.and_(is_due, self._is_free())
        with self._database.read() as read:
            if read.execute(sa.select(reports.c.id).where(due).limit(1)).first() is None:
                return []

        def take(write: sa.Connection) -> list[QueuedReport]:
            query = sa.select(reports).where(due).order_by("next_attempt_at").limit(limit)
            rows = write.execute(query.with_for_update(skip_locked=True)).mappings().all()
            taken = [self._taken(write, row) for row in rows]
            return [entry for entry in taken if entry.next_attempt_at is not None]

        return self._database.write(take)

    def _taken(self, write: sa.Connection, row: sa.RowMapping) -> QueuedReport:
        values: dict[str, Any] = {"node": self._node} | self._lease() | doubted(write, row)
        write.execute(reports.update().where(reports.c.id == row["id"]).values(values))
        return QueuedReport.of({**row, **values})

    def release(self, *entries: QueuedReport) -> None:
        """Give entries back as they were."""
        ids = reports.c.id.in_([entry.id for entry in entries])
        free = reports.update().where(ids, reports.c.locked_by == self._holder).values(FREE)
        self._database.write(lambda write: write.execute(free))

    def next_due(self) -> float | None:
        """When the next entry that nobody has is due."""
        with self._database.read() as read:
            query = sa.select(sa.func.min(reports.c.next_attempt_at)).where(
                reports.c.next_attempt_at.is_not(None), self._is_free()
            )
            return read.execute(query).scalar()

    def sending(self, entry: QueuedReport, mail: bytes, to: str | None = None) -> None:
        """Commit the mail's bytes and that it is on its way, before the first octet is sent.

        Args:
            entry: as it was taken.
            mail: its bytes.
            to: who gets it in the recipients' place; None: they do.

        Raises:
            LostLeaseError: somebody else has taken it meanwhile.
        """
        instead = (
            f", rerouted to {to} instead of {len(entry.pending_recipients)} recipients"
            if to
            else ""
        )
        history, values = entry.with_bytes(mail)
        history.append((State.SENDING, f"attempt {entry.attempts + 1}{instead}"))
        values |= {
            "state": State.SENDING,
            "attempts": entry.attempts + 1,
            "logged_queue_id": None,
            "rerouted_to": to,
        }
        change = Change(entry, time.time(), values, tuple(history))
        if not self._database.submit(self._batches.send, change).result():
            raise LostLeaseError

    def settle(
        self,
        entry: QueuedReport,
        *,
        state: str,
        note: str,
        error: str | None = None,
        pending: tuple[str, ...] = (),
        due: float | None = None,
        taken: bool = False,
        uncertain: bool = False,
        queue_id: str | None = None,
        mail: bytes | None = None,
    ) -> str:
        """Commit what became of an attempt, give the entry back and return its state.

        Args:
            entry: as it was taken.
            state: what it is now, unless Postfix' log says that it is `accepted`.
            note: the attempt in the history's words.
            error: what went wrong, for whom; None: nothing did this time.
            pending: recipients to try again at `due`.
            due: seconds since the epoch; None: there is no further attempt.
            taken: Postfix took it for some recipients.
            uncertain: Postfix may have taken it.
            queue_id: Postfix' queue ID, where it told one.
            mail: its bytes, where there was no attempt.
        """
        now = time.time()
        history, values = entry.with_bytes(mail)
        values |= FREE | {
            "state": state,
            "pending_recipients": json.dumps(pending),
            "next_attempt_at": due,
            "accepted_by_postfix": entry.accepted_by_postfix or taken,
            "unconfirmed_attempts": entry.unconfirmed_attempts + uncertain,
            "queue_id": queue_id or entry.queue_id,
            "error": error or entry.error,
            "ended_at": now if due is None else None,
        }

        # The log may have told of an earlier attempt while this one was under way.
        in_doubt = uncertain or (entry.unconfirmed_attempts > 0 and state != State.ACCEPTED)
        change = Change(entry, now, values, (*history, (state, note)), in_doubt)
        return self._database.submit(self._batches.settle, change).result()

    def _keep(self) -> None:
        """Renew the leases, until `close`."""
        mine = sa.and_(reports.c.locked_by == self._holder, reports.c.next_attempt_at.is_not(None))

        def renew(write: sa.Connection) -> None:
            write.execute(reports.update().where(mine).values(self._lease()))

        while not self._closing.wait(LEASE / 3):
            try:
                self._database.write(renew)
            except sa.exc.SQLAlchemyError as error:
                # Others take over what this one holds, if it goes on for too long.
                _log.error("outbox.error", reason=cause(error))

    def _lease(self) -> dict[str, Any]:
        return {"locked_by": self._holder, "locked_until": self._database.now() + LEASE}

    def _is_free(self) -> sa.ColumnElement[bool]:
        """Nobody has it, or not any more; what this process has it keeps, whatever the clock."""
        held = reports.c.locked_by
        ran_out = sa.and_(held != self._holder, reports.c.locked_until < self._database.now())
        return sa.and_(sa.or_(held.is_(None), ran_out), may_be_taken())
