"""The outbox's most frequent writes, each for many rows: a statement costs more than a row.

They are `database.Work`: what waits for a commit is written together. Their statements are built
once, since SQLAlchemy takes longer to build one than SQLite to run it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import sqlalchemy as sa

from pyservice.dialogue import DialogueLine
from pyservice.errors import ConflictError, OutboxFullError, RequestError
from pyservice.identity import Thread
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.dialogues import dialogue_row
from pyservice.outbox.groups import join_group
from pyservice.outbox.history import history_rows
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.receipts import finish_if_logged, states_by_log
from pyservice.outbox.search import search_row, store_subjects
from pyservice.outbox.states import State
from pyservice.outbox.tables import (
    ADD_EVENTS,
    IDS,
    ROW_ID,
    UPDATE,
    dialogues,
    reports,
    search_texts,
)
from pyservice.outbox.threads import JobThreads
from pyservice.policy.rate_limits import DigestGroup

_ADDED_BYTES = "added_bytes"
_ADD_SEARCH_TEXT = search_texts.insert()
_STORE_MAIL = UPDATE.values(size_bytes=reports.c.size_bytes + sa.bindparam(_ADDED_BYTES))


@dataclass(frozen=True)
class NewReport:
    """A report to accept, if it is new and the outbox is not full."""

    entry: QueuedReport
    key: str
    """The column `idempotency_key`: `key:…` or `report:…`."""
    hold: bool
    """Lock the row for this service, unless the report waits for a digest."""
    digest_group: DigestGroup | None
    """The group in which it waits for a digest; None: it doesn't wait."""
    scope: str
    """Where its job's name is unique: see `threads.scope_of`."""

    def row(self) -> dict[str, Any]:
        """Return its row of the table `reports`."""
        entry = self.entry
        ended_at = entry.created_at if entry.state == State.SKIPPED else None
        return entry.columns() | {"idempotency_key": self.key, "ended_at": ended_at}

    def history(self) -> list[tuple[str, str]]:
        """Return the first steps of its history, as states and notes."""
        entry = self.entry
        skipped = [(State.SKIPPED, entry.recipients.nobody)] if entry.state == State.SKIPPED else []
        return [(State.RECEIVED, "" if skipped else entry.remark), *skipped]


@dataclass(frozen=True)
class Change:
    """New values of a row that this process has locked, with steps for its history."""

    entry: QueuedReport
    at: float
    values: dict[str, Any]
    history: tuple[tuple[str, str], ...]
    is_unconfirmed: bool = False
    """Whether Postfix may have the mail, so that its log may say so already."""
    dialogue: tuple[DialogueLine, ...] = ()
    """Of the attempt that it ends, if there was one."""

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statement that changes the row."""
        mail = self.values.get("mail")
        added = {} if mail is None else {_ADDED_BYTES: len(mail)}
        return self.values | added | {ROW_ID: self.entry.id}

    def expected(self) -> set[tuple[int, str]]:
        """Return the attempts and pending recipients that the row may have since its claim."""
        before = self.entry.attempts
        begins = "attempts" in self.values  # else the change may end an attempt
        pending = json.dumps(self.entry.pending_recipients)
        return {(before, pending), (before + (not begins), pending)}

    def with_known_state(self, states: Mapping[str, State]) -> Self:
        """Return the change with the state that receipts give its report, if there are any."""
        known = states.get(self.entry.id)
        return replace(self, values=self.values | {"state": known}) if known else self

    def with_warning(self, reason: str) -> Self:
        """Return the change with a last note that says why the mail may be doubled."""
        *before, (state, note) = self.history
        note = f"{note}; {reason}, so it may be doubled"
        return replace(self, history=(*before, (state, note)))


class BatchWrites:
    """The writes of one service."""

    def __init__(
        self,
        database: Database,
        holder: str,
        lease: Mapping[str, Any],
        capacity: Capacity | None,
    ) -> None:
        """Prepare the writes; write nothing yet.

        Args:
            database: the outbox's.
            holder: this service's value of `reports.locked_by`.
            lease: the columns of a row that this service locks now.
            capacity: the outbox's limits; None: no limit.
        """
        self._capacity = capacity
        self._threads = JobThreads(database)
        self._add = database.insert_if_new(reports).returning(reports.c.id)
        self._add_locked = self._add.values(lease)
        self._put_dialogue = database.put(dialogues)
        self._locked_rows = (
            sa.select(reports.c.id, reports.c.attempts, reports.c.pending_recipients)
            .where(reports.c.id.in_(IDS), reports.c.locked_by == holder)
            .with_for_update()
        )

    def accept(
        self, write: sa.Connection, offers: Sequence[NewReport]
    ) -> list[tuple[QueuedReport, bool] | RequestError]:
        """Insert the new reports.

        Returns:
            For each offer, the report in the outbox and whether it is new; or a ConflictError if
            its key was used for another report; or an OutboxFullError if it is new and
            the outbox is full.
        """
        rows = [offer.row() for offer in offers]
        reasons = [
            self._capacity.reserve(write, row["size_bytes"]) if self._capacity else ""
            for row in rows
        ]
        fit = [
            (offer, row) for offer, row, full in zip(offers, rows, reasons, strict=True) if not full
        ]
        # In one order everywhere: two services that insert the same reports wait for each other.
        fit.sort(key=lambda pair: (pair[0].entry.owner, pair[0].key))
        new: set[str] = set()
        for hold, add in ((True, self._add_locked), (False, self._add)):
            if some := [row for offer, row in fit if offer.hold == hold]:
                new.update(write.execute(add, some).scalars())
        if new:
            history = [
                row
                for offer in offers
                if (entry := offer.entry).id in new
                for row in history_rows(entry.id, entry.created_at, *offer.history())
            ]
            write.execute(ADD_EVENTS, history)
            found_by = [search_row(offer.entry) for offer in offers if offer.entry.id in new]
            write.execute(_ADD_SEARCH_TEXT, found_by)
        threads = self._threads.join(
            write, [(offer.scope, offer.entry) for offer in offers if offer.entry.id in new]
        )
        return [
            (_new(write, offer, threads), True)
            if offer.entry.id in new
            else _known(write, offer, full)
            for offer, full in zip(offers, reasons, strict=True)
        ]

    def start_attempts(self, write: sa.Connection, changes: Sequence[Change]) -> list[bool]:
        """Make each change with its history, and return whether its row was still locked."""
        done = self._change(write, changes)
        _add_history(write, [change for change, mine in zip(changes, done, strict=True) if mine])
        return done

    def finish_attempts(self, write: sa.Connection, changes: Sequence[Change]) -> list[State]:
        """Make each change with its history, and return the states that the reports have then.

        A row that another service has locked meanwhile stays as it is; its history says so.
        """
        accepted = [
            change.entry.id for change in changes if change.values["state"] == State.ACCEPTED
        ]
        states = states_by_log(write, accepted)  # receipts may have come first
        done = self._change(write, [change.with_known_state(states) for change in changes])
        lost = [change.entry.id for change, mine in zip(changes, done, strict=True) if not mine]
        which = sa.select(reports.c.id).where(reports.c.id.in_(lost))
        left = set(write.execute(which).scalars()) if lost else set()
        _add_history(
            write,
            [
                change if mine else change.with_warning("another service has taken it meanwhile")
                for change, mine in zip(changes, done, strict=True)
                if mine or change.entry.id in left  # else it has ended and was purged
            ],
        )
        said = [
            dialogue_row(change.entry.id, change.entry.attempts + 1, change.at, change.dialogue)
            for change, mine in zip(changes, done, strict=True)
            if mine and change.dialogue
        ]
        if said:
            write.execute(self._put_dialogue, said)
        return [
            State.ACCEPTED
            if change.is_unconfirmed and finish_if_logged(write, change.entry.id)
            else State(change.values["state"])
            for change in changes
        ]

    def _change(self, write: sa.Connection, changes: Sequence[Change]) -> list[bool]:
        """Change the rows that are still locked, and return which changes were made."""
        locked = self._locked(write, changes)
        alike: dict[frozenset[str], list[Change]] = {}
        for change in changes:
            if change.entry.id in locked:
                alike.setdefault(frozenset(change.values), []).append(change)
        for some in alike.values():
            has_mail = "mail" in some[0].values
            statement = _STORE_MAIL if has_mail else UPDATE
            write.execute(statement, [change.parameters() for change in some])
            if has_mail:
                store_subjects(write, {one.entry.id: one.values["mail"] for one in some})
        return [change.entry.id in locked for change in changes]

    def _locked(self, write: sa.Connection, changes: Sequence[Change]) -> set[str]:
        """Return the IDs of rows that are still locked and unchanged, locked until the commit.

        Postfix' log may have ended one meanwhile. A service that lost its lease and claimed the
        row again may still work on its first claim.
        """
        ids = {IDS.key: [change.entry.id for change in changes]}
        rows = write.execute(self._locked_rows, ids).all()
        now = {row.id: (row.attempts, row.pending_recipients) for row in rows}
        return {
            change.entry.id for change in changes if now.get(change.entry.id) in change.expected()
        }


def _new(write: sa.Connection, offer: NewReport, threads: Mapping[str, Thread]) -> QueuedReport:
    entry, group = offer.entry, offer.digest_group
    if thread := threads.get(entry.id):
        entry = replace(entry, thread_id=thread.message_id, thread_number=thread.number)
    return join_group(write, entry, group) if group else entry


def _known(
    write: sa.Connection, offer: NewReport, full: str
) -> tuple[QueuedReport, bool] | RequestError:
    """Return the report that was there before, or the error that answers the call."""
    is_same = sa.and_(reports.c.owner == offer.entry.owner, reports.c.idempotency_key == offer.key)
    row = write.execute(sa.select(reports).where(is_same)).mappings().one_or_none()
    if row is None:
        return OutboxFullError(full)
    if row["report_hash"] != offer.entry.report_hash:
        return ConflictError()
    return QueuedReport.from_row(row), False


def _add_history(write: sa.Connection, changes: Sequence[Change]) -> None:
    if changes:
        history = [
            row
            for change in changes
            for row in history_rows(change.entry.id, change.at, *change.history)
        ]
        write.execute(ADD_EVENTS, history)
