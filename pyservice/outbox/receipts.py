"""The receipts in Postfix' log, kept beside the rows of the outbox."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from pyservice.events import ReportChanged
from pyservice.outbox.database import Database
from pyservice.outbox.history import add_history, history_rows
from pyservice.outbox.models import LogEvent, QueuedReport, Receipt, all_addresses
from pyservice.outbox.refusals import error_after
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX, WAITING, State
from pyservice.outbox.tables import (
    ADD_EVENTS,
    IDS,
    ROW_ID,
    UNLOCKED,
    UPDATE,
    events,
    log_positions,
    receipts_table,
    reports,
)


@dataclass(frozen=True)
class NewReceipts:
    """What was new in a part of Postfix' log."""

    receipts: tuple[tuple[str, Receipt], ...]
    """Each with its report's ID."""
    confirmed: int
    """How many mails Postfix has whose reply was lost."""
    changed: frozenset[ReportChanged]
    """The reports that the log is about."""


Position = Mapping[str, Any]
"""How far a log was read, as JSON; only its reader knows more."""


MAX_STEPS = 200
"""Steps of a history to which receipts can add, and in addition for each recipient:"""
STEPS_OF_RECIPIENT = 4

_Row = dict[str, Any]
_COLUMNS = tuple(
    reports.c[name]
    for name in (
        "id",
        "owner",
        "job",
        "state",
        "recipients",
        "pending_recipients",
        "unconfirmed_attempts",
        "queue_id",
        "earlier_queue_ids",
        "rerouted_to",
    )
)
"""The columns of a report that are read here: the whole row is large, with its mail."""
_QUEUE_IDS: sa.BindParameter[Any] = sa.bindparam("queue_ids", expanding=True)
_INTERRUPTED = tuple(
    reports.c[name] for name in ("id", "state", "logged_queue_id", "unconfirmed_attempts")
)
"""Those that `recover_interrupted` reads."""


class ReceiptStore:
    """The receipts of one node's mails. Thread-safe."""

    def __init__(self, database: Database, node: str, *, batch_size: int = 64) -> None:
        """Read nothing yet.

        Args:
            database: the outbox's.
            node: the name of this service's node.
            batch_size: log events that one statement looks up.
        """
        self._database, self._node, self._batch_size = database, node, batch_size
        self._put_receipts, self._put_position = map(database.put, (receipts_table, log_positions))
        here = sa.and_(reports.c.queue_id.in_(_QUEUE_IDS), reports.c.node == node)
        self._find_rows = sa.select(*_COLUMNS).where(sa.or_(reports.c.id.in_(IDS), here))

    def receipts(self, entry: QueuedReport) -> tuple[Receipt, ...]:
        """Return the last receipt of each recipient of a mail."""
        with self._database.read_for_caller() as read:
            receipts = _receipts(read, [entry.id]).get(entry.id, {})
            return tuple(receipts[recipient] for recipient in sorted(receipts))

    def position(self) -> Position | None:
        """Return how far this node's log of Postfix was read; None: it was not read yet."""
        query = sa.select(log_positions.c.position).where(log_positions.c.node == self._node)
        with self._database.read() as read:
            position = read.execute(query).scalar()
            return None if position is None else dict(json.loads(position))

    def record(self, log_events: Sequence[LogEvent], position: Position) -> NewReceipts:
        """Commit what Postfix' log says of mails, and how far it was read."""

        def commit(write: sa.Connection) -> NewReceipts:
            receipts: list[tuple[str, Receipt]] = []
            confirmed = 0
            changed: set[ReportChanged] = set()
            for start in range(0, len(log_events), self._batch_size):
                batch = log_events[start : start + self._batch_size]
                rows = self._rows(write, batch)
                known = [(rows[event], event) for event in batch if event in rows]
                confirmed += sum(self._confirm(write, row, event) for row, event in known)
                trusted = [(row, event) for row, event in known if _is_trusted(row, event)]
                changed.update(
                    ReportChanged(row["id"], row["owner"], row["job"]) for row, _ in trusted
                )
                receipts += self._keep(write, trusted)
            values = {"node": self._node, "position": json.dumps(position)}
            write.execute(self._put_position, values)
            return NewReceipts(tuple(receipts), confirmed, frozenset(changed))

        return self._database.write(commit)

    def _rows(self, write: sa.Connection, batch: Sequence[LogEvent]) -> dict[LogEvent, _Row]:
        """Return the row of each log event, the same object for all events of a report."""
        ids = [event.report_id for event in batch if event.report_id]
        queue_ids = [event.queue_id for event in batch if not event.report_id]
        parameters = {IDS.key: ids, _QUEUE_IDS.key: queue_ids}
        rows = [dict(row) for row in write.execute(self._find_rows, parameters).mappings()]
        by_id = {row["id"]: row for row in rows}
        by_queue_id = {row["queue_id"]: by_id[row["id"]] for row in rows}
        return {
            event: row
            for event in batch
            if (row := by_id.get(event.report_id or "") or by_queue_id.get(event.queue_id))
        }

    def _keep(
        self, write: sa.Connection, trusted: Sequence[tuple[_Row, LogEvent]]
    ) -> list[tuple[str, Receipt]]:
        """Keep the last receipt of each of a report's recipients, and return those that are news.

        The history of a report has an end, whatever the log says.
        """
        kept = _receipts(write, [row["id"] for row, event in trusted if event.receipt])
        steps = _history_lengths(write, kept)
        new: dict[tuple[str, str], dict[str, Any]] = {}
        history, receipts, states = [], [], {}
        for row, event in trusted:
            receipt = event.receipt and _for_recipient(row, event.receipt)
            if receipt is None:
                continue
            of_report = kept.setdefault(row["id"], {})
            before = of_report.get(receipt.recipient)
            of_report[receipt.recipient] = receipt
            new[row["id"], receipt.recipient] = {"report_id": row["id"], **asdict(receipt)}
            if before and (before.state, before.reply) == (receipt.state, receipt.reply):
                continue  # deferred as before: the history would grow for days
            steps[row["id"]] += 1
            if steps[row["id"]] <= MAX_STEPS + STEPS_OF_RECIPIENT * len(_recipients(row)):
                step = (receipt.state, f"{receipt.recipient}: {receipt.reply}")
                history += history_rows(row["id"], receipt.at, step)
            receipts.append((row["id"], receipt))
            if row["state"] in ACCEPTED_BY_POSTFIX:
                states[row["id"]] = _most_severe(of_report.values())
        if new:
            write.execute(self._put_receipts, list(new.values()))
        if history:
            write.execute(ADD_EVENTS, history)
        if states:
            changes = [{ROW_ID: report_id, "state": state} for report_id, state in states.items()]
            write.execute(UPDATE, changes)
        return receipts

    def _confirm(self, write: sa.Connection, row: _Row, event: LogEvent) -> bool:
        """Whether the log confirms, by a mail in Postfix' queue, an attempt without a reply."""
        if event.receipt is not None or row["state"] not in {
            State.SENDING,
            State.QUEUED,
            State.SKIPPED,
        }:
            return False
        # The log has the number of recipients, and not their addresses. If some were missing, the
        # line might be about an earlier attempt for others, and some would never get the mail.
        pending = json.loads(row["pending_recipients"])
        is_for_all = set(pending) == set(all_addresses(row["recipients"]))
        if event.recipients != (1 if row["rerouted_to"] else len(pending)) or not is_for_all:
            return False
        values: dict[str, Any] = {}
        if row["state"] == State.SENDING:  # until its reply is there, or lost
            values = {"logged_queue_id": event.queue_id}
        elif row["unconfirmed_attempts"]:
            values = _finished_by_log(write, row["id"], event.queue_id)
        if values:
            write.execute(UPDATE, {ROW_ID: row["id"], **values})
            row |= values
        return "state" in values


def _is_trusted(row: _Row, event: LogEvent) -> bool:
    """Whether a log event is about the mail of a report, and not about another with its Message-ID.

    Postfix' replies to us have the queue IDs. Until the reply is committed, or if it is lost, the
    mail is ours by what the log says of it.
    """
    if event.queue_id in {row["queue_id"], *row["earlier_queue_ids"].split()}:
        return True
    return event.report_id is not None and row["state"] in WAITING


def _for_recipient(row: _Row, receipt: Receipt) -> Receipt | None:
    """Return a receipt with the recipient as the report has it; None: it has no such recipient."""
    recipient = _recipients(row).get(receipt.recipient.lower())
    return None if recipient is None else replace(receipt, recipient=recipient)


def _recipients(row: _Row) -> dict[str, str]:
    """Return the addresses that a report's mail goes to, by their lower case."""
    if "addresses" not in row:
        addresses = (*all_addresses(row["recipients"]), row["rerouted_to"] or "")
        row["addresses"] = {address.lower(): address for address in addresses if address}
    addresses_of_row: dict[str, str] = row["addresses"]
    return addresses_of_row


_COUNT_STEPS = (
    sa.select(events.c.report_id, sa.func.count().label("steps"))
    .where(events.c.report_id.in_(IDS))
    .group_by(events.c.report_id)
)


def _history_lengths(read: sa.Connection, report_ids: Iterable[str]) -> Counter[str]:
    """Return how many steps the histories of these reports have."""
    rows = read.execute(_COUNT_STEPS, {IDS.key: list(report_ids)})
    return Counter({row.report_id: row.steps for row in rows})


def recover_interrupted(write: sa.Connection, row: sa.RowMapping) -> dict[str, Any]:
    """Return new values of a row whose service died, perhaps while sending, and add its history."""
    if row["state"] != State.SENDING:
        return {}
    if row["logged_queue_id"]:
        return _finished_by_log(write, row["id"], row["logged_queue_id"])
    note = "the service stopped while sending: it may be doubled"
    add_history(write, row["id"], time.time(), (State.QUEUED, note))
    return {"state": State.QUEUED, "unconfirmed_attempts": row["unconfirmed_attempts"] + 1}


def unlock_all(write: sa.Connection) -> None:
    """Unlock all rows: the caller alone has the file, so the services that locked them are dead."""
    locked = reports.c.locked_by.is_not(None)
    for row in write.execute(sa.select(*_INTERRUPTED).where(locked)).mappings().all():
        unlock = reports.update().where(reports.c.id == row["id"])
        write.execute(unlock.values(UNLOCKED | recover_interrupted(write, row)))


def finish_if_logged(write: sa.Connection, report_id: str) -> bool:
    """End a report whose reply was lost, if the log had its mail during the attempt.

    Returns:
        Whether it has ended so.
    """
    row = reports.c.id == report_id
    queue_id = write.execute(sa.select(reports.c.logged_queue_id).where(row)).scalar()
    if queue_id is None:
        return False
    values = _finished_by_log(write, report_id, queue_id)
    write.execute(reports.update().where(row).values(values))
    return True


def _finished_by_log(write: sa.Connection, report_id: str, queue_id: str) -> dict[str, Any]:
    """Return new values of a row whose reply was lost and whose mail is in Postfix' queue."""
    now = time.time()
    note = f"Postfix' log has it, queued as {queue_id}: it is not sent again"
    add_history(write, report_id, now, (State.ACCEPTED, note))
    error = sa.select(reports.c.error).where(reports.c.id == report_id)
    return UNLOCKED | {
        "state": states_by_log(write, [report_id]).get(report_id, State.ACCEPTED),
        "pending_recipients": "[]",
        "next_attempt_at": None,
        "accepted_by_postfix": True,
        "queue_id": queue_id,
        "error": error_after(write.execute(error).scalar()),
        "ended_at": now,
    }


def states_by_log(read: sa.Connection, report_ids: Sequence[str]) -> dict[str, State]:
    """Return the states of mails that Postfix has, for those of which there are receipts."""
    return {
        report_id: _most_severe(receipts.values())
        for report_id, receipts in _receipts(read, report_ids).items()
    }


_RECEIPTS = sa.select(receipts_table).where(receipts_table.c.report_id.in_(IDS))


def _receipts(read: sa.Connection, report_ids: Sequence[str]) -> dict[str, dict[str, Receipt]]:
    """Return the receipts by report and recipient."""
    receipts: dict[str, dict[str, Receipt]] = {}
    if report_ids:
        for row in read.execute(_RECEIPTS, {IDS.key: report_ids}).mappings():
            receipts.setdefault(row["report_id"], {})[row["recipient"]] = _receipt(row)
    return receipts


def _receipt(row: sa.RowMapping) -> Receipt:
    return Receipt(**{field.name: row[field.name] for field in fields(Receipt)})


def _most_severe(receipts: Iterable[Receipt]) -> State:
    """Return the state of a mail with these receipts."""
    states = (State.ACCEPTED, *(State(receipt.state) for receipt in receipts))
    return max(states, key=ACCEPTED_BY_POSTFIX.index)
