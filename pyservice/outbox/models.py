"""The rows of the outbox's tables as values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pyservice.identity import Thread
from pyservice.outbox.states import State
from pyservice.policy.recipients import KINDS, Recipients
from pyservice.report.schema import Report


def idempotency_key(report_hash: str, key: str | None) -> str:
    """Return a row's `idempotency_key`, from the caller's key or from the report itself."""
    return f"key:{key}" if key else f"report:{report_hash}"


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
    "earlier_queue_ids",
    "error",
    "node",
    "rerouted_to",
    "digest_group",
    "digest_id",
    "thread_id",
    "thread_number",
)
"""The columns that a `QueuedReport` has unchanged."""


@dataclass(frozen=True)
class Event:
    """A step in a report's history."""

    at: float
    state: State
    note: str


@dataclass(frozen=True)
class Receipt:
    """What Postfix' log says of a mail for one recipient."""

    recipient: str
    state: str
    """`relayed` (the relay host took it), `deferred` or `bounced`."""
    reply: str
    """The words of the relay host, or of Postfix."""
    at: float
    next_attempt_after: float | None = None
    """Deferred: Postfix tries again between this time and the next, where they are known."""
    next_attempt_before: float | None = None


@dataclass(frozen=True)
class LogEvent:
    """What a line of Postfix' log says of one of our mails: it is queued, or a receipt."""

    report_id: str | None
    """None: only the queue ID shows whose mail it is."""
    queue_id: str
    recipients: int = 0
    """How many the mail was queued for; 0: the line is a receipt."""
    receipt: Receipt | None = None


@dataclass(frozen=True, kw_only=True)
class QueuedReport:
    """A report of the outbox, and where its mail is."""

    id: str
    owner: str
    report_hash: str
    message_id: str
    report: Report
    recipients: Recipients
    created_at: float
    state: State
    mail: bytes | None = None
    pending_recipients: tuple[str, ...]
    """Recipients that Postfix has neither accepted nor refused yet."""
    attempts: int = 0
    next_attempt_at: float | None
    """When the next attempt is due, in seconds since the epoch; None: there is none."""
    accepted_by_postfix: bool = False
    """Whether Postfix has the mail for at least one recipient."""
    unconfirmed_attempts: int = 0
    """How many attempts ended after the final dot without a reply: Postfix may have each mail."""
    queue_id: str | None = None
    """Postfix' queue ID, of the last attempt that it accepted."""
    earlier_queue_ids: str = ""
    """Those of earlier attempts, for other recipients, separated by blanks."""
    error: str | None = None
    node: str
    """The node whose service claimed it last, or accepted it."""
    rerouted_to: str | None = None
    """The address that the last attempt used in place of the recipients; None: theirs."""
    digest_group: str | None = None
    """The digest group in which a report over a rate limit waits."""
    digest_id: str | None = None
    """The ID of the report whose mail is the digest that shows this build; it may be its own."""

    thread_id: str | None = None
    """The Message-ID of the mail that began its thread; it may be its own. None: it has none."""
    thread_number: int | None = None
    """The number of the build that this mail is about."""

    @property
    def mail_id(self) -> str:
        """The ID of the report whose mail shows the build: its own, or its digest's first one."""
        return self.digest_id or self.id

    @property
    def thread(self) -> Thread | None:
        """The thread of its mail; None: it is in none."""
        if self.thread_id is None or self.thread_number is None:
            return None
        return Thread(self.thread_id, self.thread_number)

    @property
    def remark(self) -> str:
        """Who gets no mail and what the mail goes without, for the history of a new report."""
        missing = (
            f"without {pointer}: {why}" if pointer else why for pointer, why in self.report.left_out
        )
        return "; ".join(filter(None, (self.recipients.remark, *missing)))

    @property
    def has_nobody(self) -> bool:
        """Whether nobody gets a mail, since nobody is what the report's recipients mean."""
        return self.state == State.SKIPPED and not self.recipients.addresses

    @property
    def date(self) -> datetime:
        """Return when it was accepted, which is the date of its mail."""
        return datetime.fromtimestamp(self.created_at, UTC)

    def storing(self, mail: bytes | None) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """Return the history and the columns that store a mail's bytes, unless they are stored."""
        if mail is None or self.mail is not None:
            return [], {}
        return [(State.QUEUED, f"{len(mail)} bytes")], {"mail": mail}

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Return the report of a row of `reports`."""
        return cls(
            **{name: row[name] for name in _PLAIN_COLUMNS} | {"state": State(row["state"])},
            report=Report.parse(row["report"].encode()),
            recipients=Recipients.from_dict(json.loads(row["recipients"])),
            pending_recipients=tuple(json.loads(row["pending_recipients"])),
        )

    def columns(self) -> dict[str, Any]:
        """Return the report as a row of `reports`, without the idempotency key."""
        build, report = self.report.build, self.report.model_dump_json()
        return {name: getattr(self, name) for name in _PLAIN_COLUMNS} | {
            "job": build.job,
            "number": build.number,
            "result": build.result,
            "recipient_count": len(self.recipients.addresses),
            "report": report,
            "size_bytes": len(report.encode()) + len(self.mail or b""),
            "recipients": json.dumps(asdict(self.recipients)),
            "pending_recipients": json.dumps(self.pending_recipients),
        }


def all_addresses(recipients: str) -> tuple[str, ...]:
    """Return the addresses of all recipients in a row's `recipients`, each once."""
    kinds = json.loads(recipients)
    boxes = (box for kind in KINDS for box in kinds[kind])
    return tuple(dict.fromkeys(box["address"] for box in boxes))
