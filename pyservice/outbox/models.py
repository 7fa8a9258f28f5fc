"""What the outbox holds: one row of its tables as a value."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pyservice.addresses import Mailbox
from pyservice.outbox.states import State
from pyservice.policy.recipients import KINDS, Recipients
from pyservice.report.schema import Report


def call_name(digest: str, key: str | None) -> str:
    """What makes a repeated call one mail, in a row's `idempotency_key`."""
    return f"key:{key}" if key else f"report:{digest}"


_PLAIN_COLUMNS = (
    "id",
    "owner",
    "report_hash",
    "message_id",
    "created_at",
    "state",
    "mail",
    "attempts",
    "next_attempt_at",
    "accepted_by_postfix",
    "unconfirmed_attempts",
    "queue_id",
    "error",
    "node",
    "rerouted_to",
    "digest_group",
    "digest_id",
)
"""Those that an `QueuedReport` has as they are."""


@dataclass(frozen=True)
class Event:
    """A step in a report's history."""

    at: float
    state: str
    note: str


@dataclass(frozen=True)
class Receipt:
    """What became of a mail behind Postfix, for one recipient."""

    recipient: str
    state: str
    """`relayed` (the relay host took it), `deferred` or `bounced`."""
    reply: str
    """In the words of the relay host, or of Postfix."""
    at: float
    next_attempt_after: float | None = None
    """Deferred: Postfix tries again between this time and `next_before`, where that is known."""
    next_attempt_before: float | None = None


@dataclass(frozen=True)
class LogEvent:
    """What a line of Postfix' log tells of one of our mails: it is in the queue, or a receipt."""

    report_id: str | None
    """None: known by its queue ID only."""
    queue_id: str
    recipients: int = 0
    """How many it was queued for; 0: it is about a receipt."""
    receipt: Receipt | None = None


@dataclass(frozen=True, kw_only=True)
class QueuedReport:
    """One report and how far its mail has come."""

    id: str
    owner: str
    report_hash: str
    message_id: str
    report: Report
    recipients: Recipients
    created_at: float
    state: str
    mail: bytes | None = None
    pending_recipients: tuple[str, ...]
    """Recipients that have neither been accepted nor refused yet."""
    attempts: int = 0
    next_attempt_at: float | None
    """When the next attempt is due; None: there is none."""
    accepted_by_postfix: bool = False
    """Whether Postfix has the mail for at least one recipient."""
    unconfirmed_attempts: int = 0
    """How many attempts ended after the final dot without a reply: each may have been taken."""
    queue_id: str | None = None
    error: str | None = None
    node: str
    """Whose service took it."""
    rerouted_to: str | None = None
    """Who was asked in the recipients' place by the last attempt; None: they were."""
    digest_group: str | None = None
    """The group of a report that was over a rate: it waits with others of it."""
    digest_id: str | None = None
    """The ID of the report whose mail shows this build with others: its own, where it does."""

    @property
    def date(self) -> datetime:
        """When it was accepted: the date of its mail."""
        return datetime.fromtimestamp(self.created_at, UTC)

    def with_bytes(self, mail: bytes | None) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """The history and the columns of storing a mail's bytes, unless they are stored."""
        if mail is None or self.mail is not None:
            return [], {}
        return [(State.QUEUED, f"{len(mail)} bytes")], {"mail": mail}

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """The entry of a row of `reports`."""
        recipients = json.loads(row["recipients"])
        return cls(
            **{name: row[name] for name in _PLAIN_COLUMNS},
            report=Report.parse(row["report"].encode()),
            recipients=Recipients(
                **{
                    kind: tuple(Mailbox(**box) for box in boxes)
                    for kind, boxes in recipients.items()
                }
            ),
            pending_recipients=tuple(json.loads(row["pending_recipients"])),
        )

    def columns(self) -> dict[str, Any]:
        """The entry as a row of `reports`, without the idempotency key."""
        report = self.report.model_dump_json()
        return {name: getattr(self, name) for name in _PLAIN_COLUMNS} | {
            "report": report,
            "size_bytes": len(report.encode()) + len(self.mail or b""),
            "recipients": json.dumps(asdict(self.recipients)),
            "pending_recipients": json.dumps(self.pending_recipients),
        }


def everybody(recipients: str) -> tuple[str, ...]:
    """The addresses of all recipients in a row's `people`, each once."""
    kinds = json.loads(recipients)
    boxes = (box for kind in KINDS for box in kinds[kind])
    return tuple(dict.fromkeys(box["address"] for box in boxes))
