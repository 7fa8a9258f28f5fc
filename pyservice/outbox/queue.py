"""The durable queue between the API and Postfix.

A report is committed before its sender gets 202, its mail's bytes before the first attempt, and
each result before the next attempt: a crash at any moment loses nothing. A service locks a row by a
lease while it works on it. A row that was being sent when its service died is sent again, and its
history says that the mail may be doubled.

docs/glossary.md and states.py explain the states. Times are seconds since the epoch, UTC.
"""

import json
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pyservice.background_threads import BackgroundThread
from pyservice.dialogue import DialogueLine
from pyservice.errors import LostLeaseError, NotFoundError
from pyservice.identity import message_id
from pyservice.outbox.batch_writes import BatchWrites, Change, NewReport
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.completions import Completions
from pyservice.outbox.database import Database
from pyservice.outbox.engines import LOCK_TIMEOUT
from pyservice.outbox.groups import IS_CLAIMABLE, DigestGroups
from pyservice.outbox.history import add_history, read_history
from pyservice.outbox.models import Event, QueuedReport, idempotency_key
from pyservice.outbox.receipts import recover_interrupted, unlock_all
from pyservice.outbox.states import State
from pyservice.outbox.tables import UNLOCKED, reports
from pyservice.outbox.threads import scope_of
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report


@dataclass(frozen=True)
class OutboxLimits:
    """How long an outbox waits, in seconds."""

    lease: float = 60.0
    """How long a row is locked; a service that lives renews its leases."""
    lock_timeout: float = LOCK_TIMEOUT
    """How long a write waits for a lock of SQLite's file."""
    max_wait: float = 1800.0
    """How far away a next attempt can be; later ones are due now, as the clock was set back."""


class Outbox:
    """The queue. Thread-safe; `close` it."""

    def __init__(
        self,
        database: Database,
        *,
        host: str,
        node: str,
        capacity: Capacity | None = None,
        limits: OutboxLimits = OutboxLimits(),
    ) -> None:
        """Unlock the rows that a crash left locked.

        Args:
            database: where it is kept.
            host: the right side of Message-IDs.
            node: the name of this service's node.
            capacity: the limits of the outbox; None: no limit.
            limits: how long it waits.
        """
        self._database, self._host, self._node = database, host, node
        self._limits = limits
        self._holder = f"{node}/{uuid.uuid4().hex}"
        self._lease: dict[str, Any] = {
            "locked_by": self._holder,
            "locked_until": database.now() + limits.lease,
        }
        """The columns of a row that this service locks now."""
        self._due, self._next_due = self._queries()
        self._any_due = self._due.with_only_columns(reports.c.id).limit(1)
        self._batches = BatchWrites(database, self._holder, self._lease, capacity)
        self.groups = DigestGroups(database, self._holder)
        self.completions = Completions(database, self._holder)
        self._renewer = BackgroundThread(self._renew_leases, "lease-renewer")
        if database.is_shared:
            self._renewer.start()
        else:
            database.write(unlock_all)

    def close(self) -> None:
        """Stop renewing leases."""
        self._renewer.stop(seconds=None)

    def accept(
        self,
        report: Report,
        recipients: Recipients,
        *,
        owner: str,
        controller: str | None = None,
        key: str | None = None,
        hold: bool = False,
        digest_group: DigestGroup | None = None,
        is_for_nobody: bool = False,
    ) -> Future[tuple[QueuedReport, bool]]:
        """Commit a report, unless the outbox has it already.

        Args:
            report: the report.
            recipients: who gets its mail.
            owner: the token's name. Each owner has its own keys.
            controller: the URL of the controller that the token is bound to; None: to none.
            key: the caller's idempotency key; None: the report's hash is the key.
            hold: lock the row for this service, as `claim` does, unless it has a digest group.
            digest_group: the group in which the report waits for a digest; None: it doesn't wait.
            is_for_nobody: end the report as skipped, since it has no recipients.

        Returns:
            A future that ends with the commit. Its result is the report in the outbox, and whether
            it is new. Its exception is a ConflictError if the key was used for another report, or
            an OutboxFullError if the report is new and the outbox is full.
        """
        now, report_id = time.time(), str(uuid.uuid4())
        report_hash = report.content_hash()
        if digest_group is not None:
            report = report.without_files("the build waited with others for one mail")
        entry = QueuedReport(
            id=report_id,
            owner=owner,
            report_hash=report_hash,
            message_id=message_id(report_id, self._host),
            report=report,
            recipients=recipients,
            created_at=now,
            state=State.SKIPPED if is_for_nobody else State.RECEIVED,
            pending_recipients=recipients.addresses,
            next_attempt_at=None if is_for_nobody else now,
            node=self._node,
        )
        hold = hold and not is_for_nobody
        scope = scope_of(controller, owner, report.build)
        new = NewReport(entry, idempotency_key(entry.report_hash, key), hold, digest_group, scope)
        return self._database.submit(self._batches.accept, new)

    def get(self, report_id: str, *, owner: str | None) -> tuple[QueuedReport, tuple[Event, ...]]:
        """Return a report with its history.

        Args:
            report_id: the report's ID.
            owner: the name of its token; None: any.

        Raises:
            NotFoundError: there is none, or it is another token's.
        """
        with self._database.read_for_caller() as read:
            same_id = reports.c.id == report_id.replace("\0", "")  # PostgreSQL has no such text
            row = read.execute(sa.select(reports).where(same_id)).mappings().one_or_none()
            if row is None or owner not in {None, row["owner"]}:
                raise NotFoundError("There is no such report.")
            return QueuedReport.from_row(row), read_history(read, row["id"])

    def claim(self, limit: int = 1) -> list[QueuedReport]:
        """Claim reports that are due, until `finish_attempt` or `release`.

        Args:
            limit: how many at most.
        """
        with self._database.read() as read:
            if read.execute(self._any_due).first() is None:
                return []

        def claim(write: sa.Connection) -> list[QueuedReport]:
            query = self._due.order_by("next_attempt_at").limit(limit)
            rows = write.execute(query.with_for_update(skip_locked=True)).mappings().all()
            claimed = [self._claim(write, row) for row in rows]
            return [entry for entry in claimed if entry.next_attempt_at is not None]

        return self._database.write(claim)

    def _claim(self, write: sa.Connection, row: sa.RowMapping) -> QueuedReport:
        recovered = recover_interrupted(write, row)
        values: dict[str, Any] = {"node": self._node} | self._lease | recovered
        write.execute(reports.update().where(reports.c.id == row["id"]).values(values))
        return QueuedReport.from_row({**row, **values})

    def release(self, *entries: QueuedReport) -> None:
        """Unlock claimed reports, and change nothing else."""
        ids = reports.c.id.in_([entry.id for entry in entries])
        unlock = reports.update().where(ids, reports.c.locked_by == self._holder).values(UNLOCKED)
        self._database.write(lambda write: write.execute(unlock))

    def next_due(self) -> float | None:
        """Return when the next report that no service has locked is due."""
        with self._database.read() as read:
            return read.execute(self._next_due).scalar()

    def start_attempt(
        self, entry: QueuedReport, mail: bytes, reroute_to: str | None = None
    ) -> None:
        """Commit the mail's bytes and the start of an attempt, before the first octet is sent.

        Args:
            entry: as it was claimed.
            mail: its bytes.
            reroute_to: the address that gets it in place of its recipients; None: they get it.

        Raises:
            LostLeaseError: another service has locked it meanwhile.
        """
        rerouted = (
            f", rerouted to {reroute_to} instead of {len(entry.pending_recipients)} recipients"
            if reroute_to
            else ""
        )
        history, values = entry.storing(mail)
        history.append((State.SENDING, f"attempt {entry.attempts + 1}{rerouted}"))
        values |= {
            "state": State.SENDING,
            "attempts": entry.attempts + 1,
            "logged_queue_id": None,
            "rerouted_to": reroute_to,
        }
        change = Change(entry, time.time(), values, tuple(history))
        if not self._database.submit(
            self._batches.start_attempts, change, stands_back=True
        ).result():
            raise LostLeaseError

    def add_note(self, entry: QueuedReport, note: str) -> None:
        """Add a note to a report's history, and change nothing else."""
        step = entry.state, note
        self._database.write(lambda write: add_history(write, entry.id, time.time(), step))

    def finish_attempt(
        self,
        entry: QueuedReport,
        *,
        state: str,
        note: str,
        error: str | None = None,
        pending_recipients: tuple[str, ...] = (),
        next_attempt_at: float | None = None,
        accepted_by_postfix: bool = False,
        unconfirmed: bool = False,
        queue_id: str | None = None,
        mail: bytes | None = None,
        dialogue: tuple[DialogueLine, ...] = (),
    ) -> State:
        """Commit the result of an attempt, and unlock the report.

        Args:
            entry: as it was claimed.
            state: its new state, unless Postfix' log says that it is `accepted`.
            note: the result in the history's words.
            error: what went wrong and is not mended; None: nothing.
            pending_recipients: recipients of the next attempt.
            next_attempt_at: seconds since the epoch; None: there is no further attempt.
            accepted_by_postfix: whether Postfix accepted it for some recipients.
            unconfirmed: whether Postfix may have it, since the reply to the final dot was lost.
            queue_id: Postfix' queue ID, if its reply had one.
            mail: the mail's bytes, if there was no attempt.
            dialogue: what was said in the attempt.

        Returns:
            The report's state now.
        """
        now = time.time()
        history, values = entry.storing(mail)
        values |= UNLOCKED | {
            "state": state,
            "pending_recipients": json.dumps(pending_recipients),
            "next_attempt_at": next_attempt_at,
            "accepted_by_postfix": entry.accepted_by_postfix or accepted_by_postfix,
            "unconfirmed_attempts": entry.unconfirmed_attempts + unconfirmed,
            "queue_id": queue_id or entry.queue_id,
            "error": error,
            "ended_at": now if next_attempt_at is None else None,
        }
        if queue_id and entry.queue_id:
            earlier = f"{entry.earlier_queue_ids} {entry.queue_id}"
            values["earlier_queue_ids"] = earlier.strip()

        # The log may have had an earlier attempt while this one was under way.
        is_unconfirmed = unconfirmed or (entry.unconfirmed_attempts > 0 and state != State.ACCEPTED)
        steps = (*history, (state, note))
        change = Change(entry, now, values, steps, is_unconfirmed, dialogue)
        return self._database.submit(
            self._batches.finish_attempts, change, stands_back=True
        ).result()

    def _renew_leases(self) -> None:
        """Renew the leases, until `close`."""
        mine = sa.and_(reports.c.locked_by == self._holder, reports.c.next_attempt_at.is_not(None))

        def renew(write: sa.Connection) -> None:
            write.execute(reports.update().where(mine).values(self._lease))

        while not self._renewer.stopping.wait(self._limits.lease / 3):
            try:
                self._database.write(renew)
            except sa.exc.SQLAlchemyError as error:
                # If this goes on for too long, other services take over what this one has locked.
                self._database.trouble.report(error)

    def _queries(self) -> tuple[sa.Select[Any], sa.Select[Any]]:
        """Return the queries for the reports that are due, and for the time of the next one.

        Both leave out what a service has locked, until its lease has run out. Rows of this service
        stay locked, whatever the clock says.
        """
        holder, at = reports.c.locked_by, reports.c.next_attempt_at
        has_run_out = sa.and_(holder != self._holder, reports.c.locked_until < self._database.now())
        is_free = sa.and_(sa.or_(holder.is_(None), has_run_out), IS_CLAIMABLE)
        now = sa.bindparam(None, callable_=time.time, type_=sa.Float)
        is_due = sa.or_(at <= now, at > now + self._limits.max_wait)
        next_due = sa.select(sa.func.min(at)).where(at.is_not(None), is_free)
        return sa.select(reports).where(is_due, is_free), next_due
