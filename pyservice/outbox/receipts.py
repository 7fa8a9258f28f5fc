"""What Postfix' log told of our mails, beside their rows in the outbox."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import sqlalchemy as sa

from pyservice.outbox.database import Database
from pyservice.outbox.history import add_history, steps
from pyservice.outbox.models import LogEvent, QueuedReport, Receipt, everybody
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX, State
from pyservice.outbox.tables import (
    FREE,
    THIS,
    UPDATE,
    events,
    log_positions,
    receipts_table,
    reports,
)
from pyservice.outbox.write_queue import MAX_GROUP


@dataclass(frozen=True)
class NewReceipts:
    """What Postfix' log told that wasn't known."""

    receipts: tuple[Receipt, ...]
    settled: int
    """Mails whose reply was lost, and which Postfix has."""
    report_ids: frozenset[str]
    """The reports that anything was told of."""


Position = Mapping[str, Any]
"""How far a log was read, as JSON; only its reader knows more."""


_Row = dict[str, Any]
_NEEDED = tuple(
    reports.c[name]
    for name in (
        "id",
        "state",
        "recipients",
        "pending_recipients",
        "unconfirmed_attempts",
        "queue_id",
        "rerouted_to",
    )
)
"""Of a report's row, which is large with its mail."""


class ReceiptStore:
    """The receipts of one node's mails. Thread-safe."""

    def __init__(self, database: Database, node: str) -> None:
        self._database, self._node = database, node
        self._put_receipts, self._put_position = map(database.put, (receipts_table, log_positions))

    def receipts(self, entry: QueuedReport) -> tuple[Receipt, ...]:
        """What Postfix' log told last of each recipient of a mail."""
        with self._database.read() as read:
            found = _receipts(read, [entry.id]).get(entry.id, {})
            return tuple(found[recipient] for recipient in sorted(found))

    def position(self) -> Position | None:
        """How far this node's log of Postfix was read; None: not yet."""
        query = sa.select(log_positions.c.position).where(log_positions.c.node == self._node)
        with self._database.read() as read:
            kept = read.execute(query).scalar()
            return None if kept is None else dict(json.loads(kept))

    def record(self, traces: Sequence[LogEvent], position: Position) -> NewReceipts:
        """Commit what Postfix' log told, and that it was read so far."""

        def commit(write: sa.Connection) -> NewReceipts:
            receipts: list[Receipt] = []
            settled = 0
            told: set[str] = set()
            for start in range(0, len(traces), MAX_GROUP):
                group = traces[start : start + MAX_GROUP]
                rows = self._traced(write, group)
                some = [(rows[trace], trace) for trace in group if trace in rows]
                told.update(row["id"] for row, _ in some)
                settled += sum(self._queued(write, row, trace) for row, trace in some)
                receipts += self._receive(write, some)
            kept = {"node": self._node, "position": json.dumps(position)}
            write.execute(self._put_position, kept)
            return NewReceipts(tuple(receipts), settled, frozenset(told))

        return self._database.write(commit)

    def _traced(self, write: sa.Connection, traces: Sequence[LogEvent]) -> dict[LogEvent, _Row]:
        """The rows that they are about, one for all that tell of the same."""
        ids = [trace.report_id for trace in traces if trace.report_id]
        queue_ids = [trace.queue_id for trace in traces if not trace.report_id]
        here = sa.and_(reports.c.queue_id.in_(queue_ids), reports.c.node == self._node)
        query = sa.select(*_NEEDED).where(sa.or_(reports.c.id.in_(ids), here))
        rows = [dict(row) for row in write.execute(query).mappings()]
        by_id = {row["id"]: row for row in rows}
        by_queue_id = {row["queue_id"]: by_id[row["id"]] for row in rows}
        return {
            trace: row
            for trace in traces
            if (row := by_id.get(trace.report_id or "") or by_queue_id.get(trace.queue_id))
        }

    def _receive(
        self, write: sa.Connection, some: Sequence[tuple[_Row, LogEvent]]
    ) -> list[Receipt]:
        """Keep what is told last, and return what is new."""
        known = _receipts(write, [row["id"] for row, trace in some if trace.receipt])
        new: dict[tuple[str, str], dict[str, Any]] = {}
        history, receipts, states = [], [], {}
        for row, trace in some:
            if (receipt := trace.receipt) is None:
                continue
            told = known.setdefault(row["id"], {})
            before = told.get(receipt.recipient)
            told[receipt.recipient] = receipt
            new[row["id"], receipt.recipient] = {"report_id": row["id"], **asdict(receipt)}
            if before and (before.state, before.reply) == (receipt.state, receipt.reply):
                continue  # deferred as before: the history would grow for days
            step = (receipt.state, f"{receipt.recipient}: {receipt.reply}")
            history += steps(row["id"], receipt.at, step)
            receipts.append(receipt)
            if row["state"] in ACCEPTED_BY_POSTFIX:
                states[row["id"]] = _worst(told)
        if new:
            write.execute(self._put_receipts, list(new.values()))
        if history:
            write.execute(events.insert(), history)
        if states:
            changes = [{THIS: entry_id, "state": state} for entry_id, state in states.items()]
            write.execute(UPDATE, changes)
        return receipts

    def _queued(self, write: sa.Connection, row: _Row, trace: LogEvent) -> bool:
        """Whether a mail is settled by being in Postfix' queue, since its reply was lost."""
        if trace.receipt is not None or row["state"] not in {
            State.SENDING,
            State.QUEUED,
            State.SKIPPED,
        }:
            return False
        # The log tells how many recipients it was, and not who. Were they not all there are, it
        # might be about an earlier attempt for others, and some would never get the mail.
        pending = json.loads(row["pending_recipients"])
        is_for_all = set(pending) == set(everybody(row["recipients"]))
        if trace.recipients != (1 if row["rerouted_to"] else len(pending)) or not is_for_all:
            return False
        values: dict[str, Any] = {}
        if row["state"] == State.SENDING:  # until its reply is there, or lost
            values = {"logged_queue_id": trace.queue_id}
        elif row["unconfirmed_attempts"]:
            values = _settled_by_log(write, row["id"], trace.queue_id)
        if values:
            write.execute(UPDATE, {THIS: row["id"], **values})
            row |= values
        return "state" in values


def doubted(write: sa.Connection, row: sa.RowMapping) -> dict[str, Any]:
    """What becomes of a row that its dead holder may have been sending."""
    if row["state"] != State.SENDING:
        return {}
    if row["logged_queue_id"]:
        return _settled_by_log(write, row["id"], row["logged_queue_id"])
    note = "the service stopped while sending: it may be doubled"
    add_history(write, row["id"], time.time(), (State.QUEUED, note))
    return {"state": State.QUEUED, "unconfirmed_attempts": row["unconfirmed_attempts"] + 1}


def free_all(write: sa.Connection) -> None:
    """Take back what is held: nobody else has the file, so whoever held it is dead."""
    held = reports.c.locked_by.is_not(None)
    for row in write.execute(sa.select(reports).where(held)).mappings().all():
        free = reports.update().where(reports.c.id == row["id"])
        write.execute(free.values(FREE | doubted(write, row)))


def settle_if_logged(write: sa.Connection, entry_id: str) -> bool:
    """After a lost reply: whether what the log told while the mail was sent settles it."""
    row = reports.c.id == entry_id
    queue_id = write.execute(sa.select(reports.c.logged_queue_id).where(row)).scalar()
    if queue_id is None:
        return False
    values = _settled_by_log(write, entry_id, queue_id)
    write.execute(reports.update().where(row).values(values))
    return True


def _settled_by_log(write: sa.Connection, entry_id: str, queue_id: str) -> dict[str, Any]:
    """What becomes of a mail whose reply was lost and which Postfix' log says to be queued."""
    now = time.time()
    note = f"Postfix' log has it, queued as {queue_id}: it is not sent again"
    add_history(write, entry_id, now, (State.ACCEPTED, note))
    return FREE | {
        "state": states_of(write, [entry_id]).get(entry_id, State.ACCEPTED),
        "pending_recipients": "[]",
        "next_attempt_at": None,
        "accepted_by_postfix": True,
        "queue_id": queue_id,
        "error": None,
        "ended_at": now,
    }


def states_of(read: sa.Connection, entry_ids: Sequence[str]) -> dict[str, str]:
    """The states of mails that Postfix has, as its log tells; of those that it tells nothing of
    there is none.
    """
    return {entry_id: _worst(told) for entry_id, told in _receipts(read, entry_ids).items()}


def _receipts(read: sa.Connection, entry_ids: Sequence[str]) -> dict[str, dict[str, Receipt]]:
    """For each that there are some of: by recipient."""
    found: dict[str, dict[str, Receipt]] = {}
    if entry_ids:
        query = sa.select(receipts_table).where(receipts_table.c.report_id.in_(entry_ids))
        for row in read.execute(query).mappings():
            found.setdefault(row["report_id"], {})[row["recipient"]] = _receipt(row)
    return found


def _receipt(row: sa.RowMapping) -> Receipt:
    return Receipt(**{field.name: row[field.name] for field in fields(Receipt)})


def _worst(receipts: Mapping[str, Receipt]) -> str:
    """The state of a mail that Postfix has."""
    return max(
        (State.ACCEPTED, *(one.state for one in receipts.values())), key=ACCEPTED_BY_POSTFIX.index
    )
