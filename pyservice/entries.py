"""What the outbox holds: its tables, and one row of them as a value."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

import sqlalchemy as sa

from pyservice.addresses import Mailbox
from pyservice.mail import Addressing
from pyservice.policy import KINDS, Envelope
from pyservice.report import Report

SCHEMA_VERSION = "0006"
"""The newest of migrations/versions."""

metadata = sa.MetaData()

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("idempotency_key", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("message_id", sa.String, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
    sa.Column("people", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("mail", sa.LargeBinary),
    sa.Column("pending", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due", sa.Float),
    sa.Column("taken", sa.Boolean, nullable=False, default=False),
    sa.Column("uncertain", sa.Integer, nullable=False, default=0),
    sa.Column("queue_id", sa.String),
    sa.Column("error", sa.Text),
    sa.Column("node", sa.String, nullable=False, server_default=""),
    sa.Column("holder", sa.String),
    sa.Column("held_until", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("size", sa.Integer, nullable=False, server_default="0"),
    sa.Column("logged_as", sa.String),  # the queue ID that Postfix' log told while it was sent
    sa.Column("rerouted_to", sa.String),
    sa.Column("storm", sa.String),  # the group of a report that was over a rate
    sa.Column("in_digest", sa.String),  # the report whose mail shows this one; its own, if it does
    sa.UniqueConstraint("owner", "idempotency_key"),
)
for _name, *_columns in (("due", reports.c.due, reports.c.size), ("queue_id", reports.c.queue_id)):
    # Without those that have ended, which are nearly all.
    _condition = _columns[0].is_not(None)
    sa.Index(f"reports_{_name}", *_columns, sqlite_where=_condition, postgresql_where=_condition)
_gathered = sa.and_(reports.c.storm.is_not(None), reports.c.in_digest.is_(None))
sa.Index(
    "reports_storm",
    *(reports.c.storm, reports.c.due, reports.c.id),
    sqlite_where=_gathered,
    postgresql_where=_gathered,
)
_digested = reports.c.in_digest.is_not(None)
sa.Index(
    "reports_in_digest",
    reports.c.in_digest,
    sqlite_where=_digested,
    postgresql_where=_digested,
)
sa.Index("reports_ended", reports.c.ended)
# What is asked of many reports at once is in an index: rows are large, and slow to read through.
sa.Index("reports_created", reports.c.created, reports.c.id, reports.c.owner, reports.c.state)

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("report_id", sa.ForeignKey("reports.id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("report_id", sa.ForeignKey("reports.id"), primary_key=True),
    sa.Column("recipient", sa.String, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("next_after", sa.Float),
    sa.Column("next_before", sa.Float),
)
"""What Postfix' log told last of each recipient."""

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("node", sa.String, primary_key=True),
    sa.Column("mark", sa.Text, nullable=False),
)
"""How far each node's log of Postfix was read."""


def call_name(digest: str, key: str | None) -> str:
    """What makes a repeated call one mail, in a row's `idempotency_key`."""
    return f"key:{key}" if key else f"report:{digest}"


_PLAIN_COLUMNS = (
    "id",
    "owner",
    "digest",
    "message_id",
    "created",
    "state",
    "mail",
    "attempts",
    "due",
    "taken",
    "uncertain",
    "queue_id",
    "error",
    "node",
    "rerouted_to",
    "storm",
    "in_digest",
)
"""Those that an `Entry` has as they are."""


@dataclass(frozen=True)
class Event:
    """A step in a report's history."""

    at: float
    state: str
    note: str


WAITING = ("received", "queued", "sending")
"""States of a mail that Postfix hasn't got yet: these rows have a `due`."""
PASSED = ("accepted", "relayed", "deferred", "bounced")
"""States of a mail that Postfix has, the worse the later."""
STATES = (*WAITING, *PASSED, "failed", "cancelled", "skipped", "digested")
"""All of them. The last four have ended without Postfix; the last one in another's mail."""


@dataclass(frozen=True)
class Receipt:
    """What became of a mail behind Postfix, for one recipient."""

    recipient: str
    state: str
    """`relayed` (the relay host took it), `deferred` or `bounced`."""
    reply: str
    """In the words of the relay host, or of Postfix."""
    at: float
    next_after: float | None = None
    """Deferred: Postfix tries again between this time and `next_before`, where that is known."""
    next_before: float | None = None


@dataclass(frozen=True)
class Trace:
    """What a line of Postfix' log tells of one of our mails: it is in the queue, or a receipt."""

    report_id: str | None
    """None: known by its queue ID only."""
    queue_id: str
    recipients: int = 0
    """How many it was queued for; 0: it is about a receipt."""
    receipt: Receipt | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One report and how far its mail has come."""

    id: str
    owner: str
    digest: str
    message_id: str
    report: Report
    people: Envelope
    created: float
    state: str
    mail: bytes | None = None
    pending: tuple[str, ...]
    """Recipients that have neither been accepted nor refused yet."""
    attempts: int = 0
    due: float | None
    """When the next attempt is due; None: there is none."""
    taken: bool = False
    """Whether Postfix has the mail for at least one recipient."""
    uncertain: int = 0
    """How many attempts ended after the final dot without a reply: each may have been taken."""
    queue_id: str | None = None
    error: str | None = None
    node: str
    """Whose service took it."""
    rerouted_to: str | None = None
    """Who was asked in the recipients' place by the last attempt; None: they were."""
    storm: str | None = None
    """The group of a report that was over a rate: it waits with others of it."""
    in_digest: str | None = None
    """The ID of the report whose mail shows this build with others: its own, where it does."""

    def addressing(self, sender: Mailbox) -> Addressing:
        """What its mail's headers need."""
        date = datetime.fromtimestamp(self.created, UTC)
        return Addressing(sender, self.people, self.message_id, date)

    def with_bytes(self, mail: bytes | None) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """The history and the columns of storing a mail's bytes, unless they are stored."""
        if mail is None or self.mail is not None:
            return [], {}
        return [("queued", f"{len(mail)} bytes")], {"mail": mail}

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """The entry of a row of `reports`."""
        people = json.loads(row["people"])
        return cls(
            **{name: row[name] for name in _PLAIN_COLUMNS},
            report=Report.parse(row["report"].encode()),
            people=Envelope(
                **{kind: tuple(Mailbox(**box) for box in boxes) for kind, boxes in people.items()}
            ),
            pending=tuple(json.loads(row["pending"])),
        )

    def columns(self) -> dict[str, Any]:
        """The entry as a row of `reports`, without the idempotency key."""
        report = self.report.model_dump_json()
        return {name: getattr(self, name) for name in _PLAIN_COLUMNS} | {
            "report": report,
            "size": len(report.encode()) + len(self.mail or b""),
            "people": json.dumps(asdict(self.people)),
            "pending": json.dumps(self.pending),
        }


def everybody(people: str) -> tuple[str, ...]:
    """The addresses of all recipients in a row's `people`, each once."""
    kinds = json.loads(people)
    boxes = (box for kind in KINDS for box in kinds[kind])
    return tuple(dict.fromkeys(box["address"] for box in boxes))


THIS = "this_report"
UPDATE = reports.update().where(reports.c.id == sa.bindparam(THIS))
"""Of many rows at once: each by its ID, `THIS`, and its columns."""

FREE: dict[str, Any] = {"holder": None, "held_until": None}
"""Of a row that nobody holds."""


def steps(entry_id: str, at: float, *history: tuple[str, str]) -> list[dict[str, Any]]:
    """Rows of a report's history, of states and what is said of them."""
    return [
        {"report_id": entry_id, "at": at, "state": state, "note": text} for state, text in history
    ]


def add_history(write: sa.Connection, entry_id: str, at: float, *history: tuple[str, str]) -> None:
    """Add to a report's history."""
    write.execute(events.insert(), steps(entry_id, at, *history))


def history_of(read: sa.Connection, entry_id: str) -> tuple[Event, ...]:
    """A report's history, the oldest first."""
    query = sa.select(events).where(events.c.report_id == entry_id).order_by("number")
    rows = read.execute(query).mappings()
    return tuple(Event(row["at"], row["state"], row["note"]) for row in rows)
