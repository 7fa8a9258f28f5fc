"""The reports that wait to become one mail, a digest.

All rows of a group are equal until the first one is due. The service that claims the first row
makes a digest of all rows that no service has locked, and commits its bytes together with the end
of the others. So no row depends on another: if the first one is cancelled, or its service dies,
some service claims the next one, or the same one again.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pyservice.analysis.digest import Member
from pyservice.errors import GroupChangedError, LostLeaseError
from pyservice.outbox.database import Database
from pyservice.outbox.history import add_history, history_rows
from pyservice.outbox.models import QueuedReport, all_addresses
from pyservice.outbox.search import store_subjects
from pyservice.outbox.states import State
from pyservice.outbox.tables import UNLOCKED, events, reports
from pyservice.policy.rate_limits import DigestGroup
from pyservice.report.schema import Report

NO_GROUP: dict[str, Any] = {"digest_group": None}
"""The columns of a row that is in no digest group."""
IS_WAITING = sa.and_(reports.c.digest_id.is_(None), reports.c.next_attempt_at.is_not(None))
"""The condition that a row of a digest group waits for its digest."""


class DigestGroups:
    """The digest groups of one service. Thread-safe."""

    def __init__(self, database: Database, holder: str, *, max_members: int = 500) -> None:
        """Read nothing yet.

        Args:
            database: the outbox's.
            holder: this service's value of `reports.locked_by`.
            max_members: builds in one digest; the others have the next one.
        """
        self._database, self._holder, self._max_members = database, holder, max_members

    def waiting_members(self, first: QueuedReport) -> list[Member]:
        """Return the builds that wait together with a claimed report, the oldest first."""
        # Each may have a megabyte.
        query = self._waiting(first, reports.c.report).execution_options(yield_per=20)
        with self._database.read() as read:
            rows = read.execute(query)
            return [Member.from_report(row.id, Report.parse(row.report.encode())) for row in rows]

    def waiting_ids(self, first: QueuedReport) -> list[str]:
        """Return the IDs of the reports that wait together with a claimed one, the oldest first."""
        with self._database.read() as read:
            return list(read.execute(self._waiting(first)).scalars())

    def _waiting(self, first: QueuedReport, *columns: sa.Column[Any]) -> sa.Select[Any]:
        """Return the query for the IDs, and more columns, of what waits with a claimed report."""
        return (
            sa.select(reports.c.id, *columns)
            .where(*_waiting_with(first))
            .order_by(reports.c.next_attempt_at, reports.c.id)
            .limit(self._max_members - 1)
        )

    def members(self, digest_id: str) -> list[Member]:
        """Return the builds that a digest shows, the oldest first.

        Args:
            digest_id: the ID of the report whose mail the digest is.
        """
        query = (
            sa.select(reports.c.id, reports.c.report)
            .where(reports.c.digest_id == digest_id)
            .order_by(reports.c.created_at, reports.c.id)
            .limit(self._max_members)
            .execution_options(yield_per=20)
        )
        with self._database.read_for_caller() as read:
            rows = read.execute(query)
            return [Member.from_report(row.id, Report.parse(row.report.encode())) for row in rows]

    def owners_and_jobs(self, digest_id: str) -> set[tuple[str, str]]:
        """Return whose builds a digest shows, and of which jobs."""
        query = sa.select(reports.c.owner, reports.c.job).where(reports.c.digest_id == digest_id)
        with self._database.read_for_caller() as read:
            return {(row.owner, row.job) for row in read.execute(query)}

    def leave(self, first: QueuedReport) -> QueuedReport:
        """Commit that a claimed report gets a mail of its own; the others go on waiting.

        Raises:
            LostLeaseError: another service has locked it meanwhile.
        """

        def commit(write: sa.Connection) -> None:
            self._change(write, first, NO_GROUP)

        self._database.write(commit)
        return replace(first, **NO_GROUP)

    def store_digest(self, first: QueuedReport, mail: bytes, others: Sequence[str]) -> QueuedReport:
        """Commit a digest's bytes and the end of its other members.

        Args:
            first: as it was claimed.
            mail: the bytes of the digest.
            others: IDs of the other reports that it shows.

        Returns:
            The first report with its mail, which is sent as any other.

        Raises:
            LostLeaseError: another service has locked it meanwhile.
            GroupChangedError: one of the others doesn't wait any more: nothing was committed.
        """
        now = time.time()
        note = f"{len(mail)} bytes, with the builds of {len(others)} other reports"
        values: dict[str, Any] = {"state": State.QUEUED, "mail": mail, "digest_id": first.id}

        def commit(write: sa.Connection) -> None:
            self._change(write, first, values | {"size_bytes": reports.c.size_bytes + len(mail)})
            store_subjects(write, {first.id: mail})
            add_history(write, first.id, now, (State.QUEUED, note))
            _end_others(write, first, others, now)

        self._database.write(commit)
        return replace(first, **values)

    def _change(self, write: sa.Connection, first: QueuedReport, values: dict[str, Any]) -> None:
        mine = sa.and_(reports.c.id == first.id, reports.c.locked_by == self._holder)
        if not write.execute(reports.update().where(mine).values(values)).rowcount:
            raise LostLeaseError


def join_group(write: sa.Connection, entry: QueuedReport, group: DigestGroup) -> QueuedReport:
    """Let a new report wait in a digest group, and return it as it is then."""
    values: dict[str, Any] = {"digest_group": group.name, "next_attempt_at": group.next_attempt_at}
    write.execute(reports.update().where(reports.c.id == entry.id).values(UNLOCKED | values))
    wait = group.next_attempt_at - entry.created_at
    note = f"over {group.limit}: it waits up to {wait:.0f} s for others like it"
    add_history(write, entry.id, entry.created_at, (State.RECEIVED, note))
    return replace(entry, **values)


def _is_claimable() -> sa.ColumnElement[bool]:
    first = reports.alias("first")
    is_waiting = sa.and_(first.c.digest_id.is_(None), first.c.next_attempt_at.is_not(None))
    is_before = sa.tuple_(first.c.next_attempt_at, first.c.id) < sa.tuple_(
        reports.c.next_attempt_at, reports.c.id
    )
    has_first = sa.exists().where(
        first.c.digest_group == reports.c.digest_group, is_waiting, is_before
    )
    return sa.or_(reports.c.digest_group.is_(None), reports.c.digest_id.is_not(None), ~has_first)


IS_CLAIMABLE = _is_claimable()
"""The condition that a row doesn't wait for the first one of its group."""


def requeue_members(write: sa.Connection, digest: sa.RowMapping, now: float) -> None:
    """Let the other members of a cancelled digest wait again, for a digest without its build."""
    waiting = {
        "state": State.RECEIVED,
        "digest_id": None,
        "next_attempt_at": now,
        "ended_at": None,
        "pending_recipients": json.dumps(all_addresses(digest["recipients"])),
    }
    others = sa.and_(reports.c.digest_id == digest["id"], reports.c.id != digest["id"])
    requeue = reports.update().where(others).values(waiting).returning(reports.c.id)
    note = f"the mail of {digest['id']} was cancelled: it waits for another one"
    for report_id in write.execute(requeue).scalars().all():
        add_history(write, report_id, now, (State.RECEIVED, note))


def _waiting_with(first: QueuedReport) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions of the others of a group that no service has locked."""
    return (
        reports.c.digest_group == first.digest_group,
        IS_WAITING,
        reports.c.locked_by.is_(None),
        reports.c.id != first.id,
    )


def _end_others(write: sa.Connection, first: QueuedReport, ids: Sequence[str], now: float) -> None:
    update = reports.update().where(reports.c.id.in_(ids), *_waiting_with(first))
    values = {
        "state": State.DIGESTED,
        "digest_id": first.id,
        "next_attempt_at": None,
        "ended_at": now,
        "pending_recipients": "[]",
    }
    if write.execute(update.values(values)).rowcount != len(ids):
        raise GroupChangedError
    step = (State.DIGESTED, f"in the mail of {first.id}")
    write.execute(
        events.insert(), [row for report_id in ids for row in history_rows(report_id, now, step)]
    )
