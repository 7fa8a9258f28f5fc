"""The rows of reports that wait to become one mail.

Until the first of a group is due, all its rows are equal, and each waits by itself. Whoever takes
the first one, and so holds it, makes the digest of all that nobody holds; its bytes and the others'
ends are one commit. So none depends on another: where the first one is cancelled or its holder
dies, somebody takes the next one, or takes it again.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pyservice.errors import GroupChangedError, LostLeaseError
from pyservice.outbox.database import Database
from pyservice.outbox.history import add_history, steps
from pyservice.outbox.models import QueuedReport, everybody
from pyservice.outbox.states import State
from pyservice.outbox.tables import FREE, events, reports
from pyservice.policy.rate_limits import DigestGroup
from pyservice.report.digest import Member
from pyservice.report.schema import Report

MOST = 500
"""Builds in one digest; those beyond it have the next one."""
ALONE: dict[str, Any] = {"digest_group": None}
"""Of a row that waits for nobody."""


class DigestGroups:
    """What a service does with the groups that it has the first of. Thread-safe."""

    def __init__(self, database: Database, holder: str) -> None:
        """Look at nothing yet.

        Args:
            database: the outbox's.
            holder: who this is, in `reports.holder`.
        """
        self._database, self._holder = database, holder

    def others(self, first: QueuedReport) -> list[Member]:
        """The builds that wait with that of an entry which was taken, the oldest first."""
        query = (
            sa.select(reports.c.id, reports.c.report)
            .where(*_waiting(first))
            .order_by(reports.c.next_attempt_at, reports.c.id)
            .limit(MOST - 1)
            .execution_options(yield_per=20)  # each may have a megabyte
        )
        with self._database.read() as read:
            rows = read.execute(query)
            return [Member.of(row.id, Report.parse(row.report.encode())) for row in rows]

    def left(self, first: QueuedReport) -> QueuedReport:
        """Commit that an entry which was taken is a mail of its own; the others wait on.

        Raises:
            LostLeaseError: somebody else has taken it meanwhile.
        """

        def commit(write: sa.Connection) -> None:
            self._change(write, first, ALONE)

        self._database.write(commit)
        return replace(first, **ALONE)

    def made(self, first: QueuedReport, mail: bytes, others: Sequence[str]) -> QueuedReport:
        """Commit a digest's bytes and the ends of those it shows: from now on it is like any mail.

        Args:
            first: as it was taken.
            mail: the bytes of the digest.
            others: IDs of the reports that it shows beside its own.

        Returns:
            The entry with its mail.

        Raises:
            LostLeaseError: somebody else has taken it meanwhile.
            GroupChangedError: one of the others doesn't wait any more: nothing was committed.
        """
        now = time.time()
        note = f"{len(mail)} bytes, with the builds of {len(others)} other reports"
        values: dict[str, Any] = {"state": State.QUEUED, "mail": mail, "digest_id": first.id}

        def commit(write: sa.Connection) -> None:
            self._change(write, first, values | {"size_bytes": reports.c.size_bytes + len(mail)})
            add_history(write, first.id, now, (State.QUEUED, note))
            _end(write, first, others, now)

        self._database.write(commit)
        return replace(first, **values)

    def _change(self, write: sa.Connection, first: QueuedReport, values: dict[str, Any]) -> None:
        mine = sa.and_(reports.c.id == first.id, reports.c.locked_by == self._holder)
        if not write.execute(reports.update().where(mine).values(values)).rowcount:
            raise LostLeaseError


def gather(write: sa.Connection, entry: QueuedReport, found: DigestGroup) -> QueuedReport:
    """Let a report that was just accepted wait for others; it comes back as it is then."""
    values: dict[str, Any] = {"digest_group": found.name, "next_attempt_at": found.next_attempt_at}
    write.execute(reports.update().where(reports.c.id == entry.id).values(FREE | values))
    wait = found.next_attempt_at - entry.created_at
    note = f"over {found.limit}: it waits up to {wait:.0f} s for others like it"
    add_history(write, entry.id, entry.created_at, (State.RECEIVED, note))
    return replace(entry, **values)


def may_be_taken() -> sa.ColumnElement[bool]:
    """Not those that wait for the first of their group."""
    first = reports.alias("first")
    is_waiting = sa.and_(first.c.digest_id.is_(None), first.c.next_attempt_at.is_not(None))
    is_before = sa.tuple_(first.c.next_attempt_at, first.c.id) < sa.tuple_(
        reports.c.next_attempt_at, reports.c.id
    )
    has_first = sa.exists().where(
        first.c.digest_group == reports.c.digest_group, is_waiting, is_before
    )
    return sa.or_(reports.c.digest_group.is_(None), reports.c.digest_id.is_not(None), ~has_first)


def set_free(write: sa.Connection, digest: sa.RowMapping, now: float) -> None:
    """Let those that a digest shows wait again, since it won't be sent, for one without its own."""
    waiting = {
        "state": State.RECEIVED,
        "digest_id": None,
        "next_attempt_at": now,
        "ended_at": None,
        "pending_recipients": json.dumps(everybody(digest["recipients"])),
    }
    others = sa.and_(reports.c.digest_id == digest["id"], reports.c.id != digest["id"])
    freed = reports.update().where(others).values(waiting).returning(reports.c.id)
    note = f"the mail of {digest['id']} was cancelled: it waits for another one"
    for entry_id in write.execute(freed).scalars().all():
        add_history(write, entry_id, now, (State.RECEIVED, note))


def _waiting(first: QueuedReport) -> tuple[sa.ColumnElement[bool], ...]:
    """The others of its group that nobody holds."""
    return (
        reports.c.digest_group == first.digest_group,
        reports.c.digest_id.is_(None),
        reports.c.next_attempt_at.is_not(None),
        reports.c.locked_by.is_(None),
        reports.c.id != first.id,
    )


def _end(write: sa.Connection, first: QueuedReport, ids: Sequence[str], now: float) -> None:
    ended = reports.update().where(reports.c.id.in_(ids), *_waiting(first))
    values = {
        "state": State.DIGESTED,
        "digest_id": first.id,
        "next_attempt_at": None,
        "ended_at": now,
        "pending_recipients": "[]",
    }
    if write.execute(ended.values(values)).rowcount != len(ids):
        raise GroupChangedError
    told = (State.DIGESTED, f"in the mail of {first.id}")
    write.execute(events.insert(), [step for one in ids for step in steps(one, now, told)])
