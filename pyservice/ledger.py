"""What Postfix' log told of our mails, beside their rows in the outbox."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from pyservice.database import Database
from pyservice.entries import (
    FREE,
    PASSED,
    Entry,
    Receipt,
    Trace,
    add_history,
    deliveries,
    positions,
    reports,
)


@dataclass(frozen=True)
class News:
    """What Postfix' log told that wasn't known."""

    receipts: tuple[Receipt, ...]
    settled: int
    """Mails whose reply was lost, and which Postfix has."""


Position = Mapping[str, Any]
"""How far a log was read, as JSON; only its reader knows more."""


_NEEDED = (reports.c.id, reports.c.state, reports.c.pending, reports.c.uncertain)
"""Of a report's row, which is large with its mail."""


class Ledger:
    """The receipts of one node's mails. Thread-safe."""

    def __init__(self, database: Database, node: str) -> None:
        self._database, self._node = database, node

    def receipts(self, entry: Entry) -> tuple[Receipt, ...]:
        """What Postfix' log told last of each recipient of a mail."""
        with self._database.read() as read:
            found = _receipts(read, entry.id)
            return tuple(found[recipient] for recipient in sorted(found))

    def position(self) -> Position | None:
        """How far this node's log of Postfix was read; None: not yet."""
        query = sa.select(positions.c.mark).where(positions.c.node == self._node)
        with self._database.read() as read:
            kept = read.execute(query).scalar()
            return None if kept is None else dict(json.loads(kept))

    def record(self, traces: Sequence[Trace], position: Position) -> News:
        """Commit what Postfix' log told, and that it was read so far."""

        def commit(write: sa.Connection) -> News:
            receipts, settled = [], 0
            for trace in traces:
                row = self._traced(write, trace)
                if row is not None and trace.receipt is not None:
                    if self._receive(write, row, trace.receipt):
                        receipts.append(trace.receipt)
                elif row is not None:
                    settled += self._queued(write, row, trace)
            kept = {"node": self._node, "mark": json.dumps(position)}
            write.execute(self._database.put(positions, kept))
            return News(tuple(receipts), settled)

        return self._database.write(commit)

    def _traced(self, write: sa.Connection, trace: Trace) -> sa.RowMapping | None:
        is_meant = reports.c.id == trace.report_id
        if trace.report_id is None:
            here = reports.c.node == self._node
            is_meant = sa.and_(reports.c.queue_id == trace.queue_id, here)
        return write.execute(sa.select(*_NEEDED).where(is_meant)).mappings().first()

    def _receive(self, write: sa.Connection, row: sa.RowMapping, receipt: Receipt) -> bool:
        """Whether it is new."""
        known = _receipts(write, row["id"])
        before = known.get(receipt.recipient)
        if before and (before.state, before.reply) == (receipt.state, receipt.reply):
            return False  # deferred as before: the history would grow for days
        write.execute(self._database.put(deliveries, {"report_id": row["id"], **asdict(receipt)}))
        add_history(
            write, row["id"], receipt.at, (receipt.state, f"{receipt.recipient}: {receipt.reply}")
        )
        known[receipt.recipient] = receipt
        if row["state"] in PASSED:
            state = {"state": _worst(known)}
            write.execute(reports.update().where(reports.c.id == row["id"]).values(state))
        return True

    def _queued(self, write: sa.Connection, row: sa.RowMapping, trace: Trace) -> bool:
        """Whether a mail is settled by being in Postfix' queue, since its reply was lost."""
        # Were there more recipients than now, some were deferred, and who is not told here.
        if trace.recipients != len(json.loads(row["pending"])):
            return False
        values: dict[str, Any] = {}
        if row["state"] == "sending":  # until its reply is there, or lost
            values = {"logged_as": trace.queue_id}
        elif row["state"] == "queued" and row["uncertain"]:
            values = _settled_by_log(write, row["id"], trace.queue_id)
        if values:
            write.execute(reports.update().where(reports.c.id == row["id"]).values(values))
        return "state" in values


def doubted(write: sa.Connection, row: sa.RowMapping) -> dict[str, Any]:
    """What becomes of a row that its dead holder may have been sending."""
    if row["state"] != "sending":
        return {}
    if row["logged_as"]:
        return _settled_by_log(write, row["id"], row["logged_as"])
    note = "the service stopped while sending: it may be doubled"
    add_history(write, row["id"], time.time(), ("queued", note))
    return {"state": "queued", "uncertain": row["uncertain"] + 1}


def settle_if_logged(write: sa.Connection, entry_id: str) -> bool:
    """After a lost reply: whether what the log told while the mail was sent settles it."""
    row = reports.c.id == entry_id
    queue_id = write.execute(sa.select(reports.c.logged_as).where(row)).scalar()
    if queue_id is None:
        return False
    values = _settled_by_log(write, entry_id, queue_id)
    write.execute(reports.update().where(row).values(values))
    return True


def _settled_by_log(write: sa.Connection, entry_id: str, queue_id: str) -> dict[str, Any]:
    """What becomes of a mail whose reply was lost and which Postfix' log says to be queued."""
    now = time.time()
    note = f"Postfix' log has it, queued as {queue_id}: it is not sent again"
    add_history(write, entry_id, now, ("accepted", note))
    return FREE | {
        "state": state_of(write, entry_id),
        "pending": "[]",
        "due": None,
        "taken": True,
        "queue_id": queue_id,
        "error": None,
        "ended": now,
    }


def state_of(read: sa.Connection, entry_id: str) -> str:
    """The state of a mail that Postfix has, as its log tells."""
    return _worst(_receipts(read, entry_id))


def _receipts(read: sa.Connection, entry_id: str) -> dict[str, Receipt]:
    query = sa.select(deliveries).where(deliveries.c.report_id == entry_id)
    return {row["recipient"]: _receipt(row) for row in read.execute(query).mappings()}


def _receipt(row: sa.RowMapping) -> Receipt:
    return Receipt(row["recipient"], row["state"], row["reply"], row["at"])


def _worst(receipts: Mapping[str, Receipt]) -> str:
    """The state of a mail that Postfix has."""
    return max((PASSED[0], *(one.state for one in receipts.values())), key=PASSED.index)
