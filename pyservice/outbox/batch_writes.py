"""The outbox's busiest writes, each for many rows at once: a statement costs more than a row.

They are `database.Work`: what waits for a commit is done together.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import sqlalchemy as sa

from pyservice.errors import ConflictError, FullError, RequestError
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.groups import gather
from pyservice.outbox.history import steps
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.receipts import settle_if_logged, states_of
from pyservice.outbox.states import State
from pyservice.outbox.tables import THIS, UPDATE, events, reports
from pyservice.policy.rate_limits import DigestGroup

_MORE = "more_bytes"
_STORE = UPDATE.values(size_bytes=reports.c.size_bytes + sa.bindparam(_MORE))


@dataclass(frozen=True)
class NewReport:
    """A report to accept, if it is new and there is room."""

    entry: QueuedReport
    key: str
    """The column `idempotency_key`: `key:…` or `report:…`."""
    hold: bool
    """Lock the row for this service, unless the report waits for a digest."""
    digest_group: DigestGroup | None
    """The group in which it waits for a digest; None: it doesn't wait."""

    def row(self) -> dict[str, Any]:
        """Return its row of the table `reports`."""
        return self.entry.columns() | {"idempotency_key": self.key}


@dataclass(frozen=True)
class Change:
    """What becomes of a row that this process holds, and its history."""

    entry: QueuedReport
    at: float
    values: dict[str, Any]
    history: tuple[tuple[str, str], ...]
    uncertain: bool = False
    """Postfix may have taken it, as its log may tell already."""

    def parameters(self) -> dict[str, Any]:
        """Of the statement that changes its row."""
        mail = self.values.get("mail")
        more = {} if mail is None else {_MORE: len(mail)}
        return self.values | more | {THIS: self.entry.id}

    def expected(self) -> set[tuple[int, str]]:
        """Attempts and pending recipients of a row that is as it was when it was taken."""
        before = self.entry.attempts
        begins = "attempts" in self.values  # else it may be what came of an attempt
        pending = json.dumps(self.entry.pending_recipients)
        return {(before, pending), (before + (not begins), pending)}

    def into(self, states: Mapping[str, str]) -> Self:
        """With the state that is known for its report, if one is."""
        known = states.get(self.entry.id)
        return replace(self, values=self.values | {"state": known}) if known else self

    def with_note(self, more: str) -> Self:
        """With something more to tell."""
        *before, (state, told) = self.history
        return replace(self, history=(*before, (state, f"{told}; {more}, so it may be doubled")))


class BatchWrites:
    """The writes of one holder of rows."""

    def __init__(
        self,
        database: Database,
        holder: str,
        lease: Callable[[], dict[str, Any]],
        room: Capacity | None,
    ) -> None:
        """Nothing is written yet.

        Args:
            database: the outbox's.
            holder: who this is, in `reports.holder`.
            lease: columns of a row that this one holds from now on.
            room: how much there may be; None: no limit.
        """
        self._holder, self._lease, self._room = holder, lease, room
        self._add = database.insert_if_new(reports).returning(reports.c.id)

    def accept(
        self, write: sa.Connection, offers: Sequence[NewReport]
    ) -> list[tuple[QueuedReport, bool] | RequestError]:
        """Insert the new reports.

        Returns:
            For each offer, the report in the outbox and whether it is new; or a ConflictError if
            its key was used for another report; or a FullError if it is new and has no room.
        """
        rows = [offer.row() for offer in offers]
        reasons = [self._room.ask(write, row["size_bytes"]) if self._room else "" for row in rows]
        fit = [
            (offer, row) for offer, row, full in zip(offers, rows, reasons, strict=True) if not full
        ]
        # In one order everywhere: two services that insert the same reports wait for each other.
        fit.sort(key=lambda pair: (pair[0].entry.owner, pair[0].key))
        new: set[str] = set()
        for hold, add in ((True, self._add.values(self._lease())), (False, self._add)):
            if some := [row for offer, row in fit if offer.hold == hold]:
                new.update(write.execute(add, some).scalars())
        if new:
            history = [
                step
                for offer in offers
                if (entry := offer.entry).id in new
                for step in steps(
                    entry.id, entry.created_at, (State.RECEIVED, entry.recipients.remark)
                )
            ]
            write.execute(events.insert(), history)
        return [
            (_new(write, offer), True) if offer.entry.id in new else _known(write, offer, full)
            for offer, full in zip(offers, reasons, strict=True)
        ]

    def send(self, write: sa.Connection, changes: Sequence[Change]) -> list[bool]:
        """Change each with its history, and whether it could be: it is still held."""
        done = self._change(write, changes)
        _tell(write, [change for change, mine in zip(changes, done, strict=True) if mine])
        return done

    def settle(self, write: sa.Connection, changes: Sequence[Change]) -> list[str]:
        """Change each with its history, and the state that it is in then.

        What another service holds by now is left to it; the history tells.
        """
        taken = [change.entry.id for change in changes if change.values["state"] == State.ACCEPTED]
        states = states_of(write, taken)  # receipts may have come first
        done = self._change(write, [change.into(states) for change in changes])
        lost = [change.entry.id for change, mine in zip(changes, done, strict=True) if not mine]
        which = sa.select(reports.c.id).where(reports.c.id.in_(lost))
        left = set(write.execute(which).scalars()) if lost else set()
        _tell(
            write,
            [
                change if mine else change.with_note("another service has taken it meanwhile")
                for change, mine in zip(changes, done, strict=True)
                if mine or change.entry.id in left  # else it has ended and was purged
            ],
        )
        return [
            State.ACCEPTED
            if change.uncertain and settle_if_logged(write, change.entry.id)
            else str(change.values["state"])
            for change in changes
        ]

    def _change(self, write: sa.Connection, changes: Sequence[Change]) -> list[bool]:
        """Change those that are still held, and tell which they are."""
        held = self._held(write, changes)
        alike: dict[frozenset[str], list[Change]] = {}
        for change in changes:
            if change.entry.id in held:
                alike.setdefault(frozenset(change.values), []).append(change)
        for some in alike.values():
            statement = _STORE if "mail" in some[0].values else UPDATE
            write.execute(statement, [change.parameters() for change in some])
        return [change.entry.id in held for change in changes]

    def _held(self, write: sa.Connection, changes: Sequence[Change]) -> set[str]:
        """The rows that are held, and as they were taken; nobody else takes them until the commit.

        The log may have settled one meanwhile. A service that lost its lease and took the row
        again may still have the entry of the first time in its hands.
        """
        columns = (reports.c.id, reports.c.attempts, reports.c.pending_recipients)
        ids = [change.entry.id for change in changes]
        mine = sa.and_(reports.c.id.in_(ids), reports.c.locked_by == self._holder)
        rows = write.execute(sa.select(*columns).where(mine).with_for_update()).all()
        found = {row.id: (row.attempts, row.pending_recipients) for row in rows}
        return {
            change.entry.id for change in changes if found.get(change.entry.id) in change.expected()
        }


def _new(write: sa.Connection, offer: NewReport) -> QueuedReport:
    group = offer.digest_group
    return gather(write, offer.entry, group) if group else offer.entry


def _known(
    write: sa.Connection, offer: NewReport, full: str
) -> tuple[QueuedReport, bool] | RequestError:
    """The entry that was there before, or why it can't be given."""
    is_same = sa.and_(reports.c.owner == offer.entry.owner, reports.c.idempotency_key == offer.key)
    row = write.execute(sa.select(reports).where(is_same)).mappings().one_or_none()
    if row is None:
        return FullError(full)
    if row["report_hash"] != offer.entry.report_hash:
        return ConflictError()
    return QueuedReport.of(row), False


def _tell(write: sa.Connection, changes: Sequence[Change]) -> None:
    if changes:
        history = [
            step
            for change in changes
            for step in steps(change.entry.id, change.at, *change.history)
        ]
        write.execute(events.insert(), history)
