"""What the routes of reports answer: pydantic models, made from what the outbox holds."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel

from pyservice.outbox import models
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.search import Summary
from pyservice.outbox.states import State
from pyservice.web.problems import Member

Link = Callable[[str], str]
"""Makes a link of a path below the service's root."""


class KnownReport(BaseModel):
    """What each answer about one report has."""

    id: str
    state: str
    message_id: str
    recipients: list[str]
    left_out: list[str]
    """Addresses that get no mail, as the report has them: no mail addresses, denied by the
    service's DENIED_RECIPIENTS, or possibly a stranger's. People without an address by their names,
    and kinds of recipients if they mean nobody."""
    masked: int
    """How many secrets are masked in the report and its mail."""
    status_url: str
    """Absolute if the service has a PUBLIC_URL, else relative to the service's address."""
    preview_url: str


class AcceptedReport(KnownReport):
    """A report that is committed and will be mailed, if anybody gets it."""

    missing: list[Member]
    """What the mail goes without, and why: recipients, and parts of the report that are unusable.
    The history has it, too."""

    @classmethod
    def of(
        cls,
        entry: QueuedReport,
        link: Link,
        missing: Iterable[tuple[str, str]],
        *,
        public_id: str,
    ) -> Self:
        """Return the answer to the call that sent a report, and to each call that repeats it.

        Args:
            entry: the report.
            link: makes its links.
            missing: what its mail goes without.
            public_id: its ID in the links.
        """
        left_out = ((one.pointer, one.sentence) for one in entry.recipients.left_out)
        state = State.SKIPPED if entry.has_nobody else State.RECEIVED
        members = [
            Member(pointer=pointer, detail=detail) for pointer, detail in (*left_out, *missing)
        ]
        known = _known(entry, link, public_id) | {"state": state}
        return cls(**known, missing=members)


class HistoryEntry(BaseModel):
    """A step in a report's history."""

    state: str
    at: datetime
    note: str


class Receipt(BaseModel):
    """What Postfix' log says of a mail for one recipient."""

    recipient: str
    state: str
    """relayed (the relay host took it), deferred or bounced."""
    reply: str
    """The relay host's words, or Postfix' own."""
    at: datetime
    next_attempt_after: datetime | None
    """Deferred: Postfix tries again between this time and the next, if they are known."""
    next_attempt_before: datetime | None

    @classmethod
    def of(cls, receipt: models.Receipt) -> Self:
        """Return the receipt with its times as text can show them."""
        return cls(
            recipient=receipt.recipient,
            state=receipt.state,
            reply=receipt.reply,
            at=_time(receipt.at),
            next_attempt_after=_time_or_none(receipt.next_attempt_after),
            next_attempt_before=_time_or_none(receipt.next_attempt_before),
        )


class DigestLink(BaseModel):
    """The report whose mail, a digest, shows this build; it may be this report itself."""

    id: str
    status_url: str


class ReportStatus(KnownReport):
    """How far a report's mail has come."""

    job: str
    number: int
    result: str
    created_at: datetime
    attempts: int
    queue_id: str | None
    """Postfix' queue ID, once Postfix has the mail."""
    error: str | None
    """What went wrong and is not mended: refused recipients, and who is still deferred."""
    rerouted_to: str | None
    """The address that the last attempt was sent to, in place of the recipients: REROUTE_TO."""
    next_attempt_at: datetime | None
    digest: DigestLink | None
    """The digest that shows this build, if there were too many builds for a mail each."""
    receipts: list[Receipt]
    """From Postfix' log, if the service can read it."""
    history: list[HistoryEntry]

    @classmethod
    def of(
        cls,
        entry: QueuedReport,
        history: Iterable[models.Event],
        receipts: Iterable[models.Receipt],
        link: Link,
    ) -> Self:
        """Return the status of a report, with its history and its receipts."""
        build = entry.report.build
        return cls(
            **_known(entry, link, entry.id),
            job=build.job,
            number=build.number,
            result=build.result,
            created_at=_time(entry.created_at),
            attempts=entry.attempts,
            queue_id=entry.queue_id,
            error=entry.error,
            rerouted_to=entry.rerouted_to,
            next_attempt_at=_time_or_none(
                entry.next_attempt_at if entry.state == State.QUEUED else None
            ),
            digest=_digest_link(entry.digest_id, link),
            receipts=[Receipt.of(receipt) for receipt in receipts],
            history=[
                HistoryEntry(state=event.state, at=_time(event.at), note=event.note)
                for event in history
            ],
        )


class ReportSummary(BaseModel):
    """A report, in short."""

    id: str
    state: State
    job: str
    number: int
    result: str
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    """None: an attempt is under way, or there is no further one."""
    error: str | None
    status_url: str

    @classmethod
    def of(cls, summary: Summary, link: Link) -> Self:
        """Return the outbox' summary of a report, with a link to its status."""
        return cls(
            id=summary.id,
            state=summary.state,
            job=summary.job,
            number=summary.number,
            result=summary.result,
            attempts=summary.attempts,
            error=summary.error,
            created_at=_time(summary.created_at),
            next_attempt_at=_time_or_none(summary.next_attempt_at),
            status_url=link(_path(summary.id)),
        )


class ReportPage(BaseModel):
    """Some reports, the newest first."""

    reports: list[ReportSummary]
    next: str | None
    """The value of `after` for the next page; None: this is the last page."""


def _known(entry: QueuedReport, link: Link, link_id: str) -> dict[str, Any]:
    """Return the members of a KnownReport."""
    path = _path(link_id)
    return {
        "id": entry.id,
        "state": entry.state,
        "message_id": entry.message_id,
        "recipients": list(entry.recipients.addresses),
        "left_out": [left_out.address for left_out in entry.recipients.left_out],
        "masked": entry.report.masked,
        "status_url": link(path),
        "preview_url": link(f"{path}/preview"),
    }


def _digest_link(digest_id: str | None, link: Link) -> DigestLink | None:
    return (
        None if digest_id is None else DigestLink(id=digest_id, status_url=link(_path(digest_id)))
    )


def _path(report_id: str) -> str:
    return f"/v1/reports/{report_id}"


def _time(seconds: float) -> datetime:
    """Return the time that is so many seconds after the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def _time_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
