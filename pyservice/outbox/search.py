"""Finds reports by what people know of them, and counts them by their states.

Rows of `reports` are large. So conditions are checked in an index and in `search_texts`, and only
the rows that are shown are read.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Any

import sqlalchemy as sa

from pyservice.errors import InvalidError
from pyservice.identity import report_id_of
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.states import WAITING, State
from pyservice.outbox.tables import ROW_ID, reports, search_texts
from pyservice.text import shorten

MAX_ERROR = 1000
"""Characters of an error in a summary; it names each recipient that was refused."""
MAX_ADDRESSES = 300
"""Characters of the addresses in a summary."""

MAX_DUE = 1000
"""Rows of waiting mails that are read to know whether one was tried in vain."""

MAX_HEAD = 64 * 1024
"""Bytes of a mail in which its subject is looked for: To, with all recipients, may come first."""

_SUBJECT = re.compile(rb"^Subject:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.MULTILINE)
_STORE_SUBJECT = (
    search_texts.update()
    .where(search_texts.c.report_id == sa.bindparam(ROW_ID))
    .values(subject=sa.bindparam("shown"))
)

# Columns at the beginning of a row, which may have megabytes.
SUMMARY = (
    *(reports.c.id, reports.c.owner, reports.c.state, reports.c.job, reports.c.number),
    *(reports.c.result, reports.c.recipient_count, reports.c.created_at, reports.c.attempts),
    *(reports.c.next_attempt_at, reports.c.locked_by),
    sa.func.substr(reports.c.error, 1, MAX_ERROR + 1).label("error"),
)


@dataclass(frozen=True)
class Filter:
    """Which reports to list; None and what is empty mean any."""

    owner: str | None = None
    """The token's name."""
    jobs: tuple[str, ...] = ()
    """Jobs, or folders with all their jobs: the bounds of a token."""
    states: tuple[str, ...] = ()
    """Some of `State`."""
    job: str = ""
    """A job, or a folder with all its jobs: what a person wants to see."""
    recipient: str = ""
    """A mail address, or a part of one."""
    text: str = ""
    """A part of the build's names, of the mail's subject, of the author's or of a recipient's
    address; or a report ID or its beginning, a Message-ID or a queue ID."""
    older_than: float | None = None
    """The least number of seconds since a report was accepted."""
    newer_than: float | None = None
    """The greatest number of seconds since then."""


@dataclass(frozen=True)
class Summary:
    """A report in short."""

    id: str
    owner: str
    state: State
    job: str
    number: int
    result: str
    recipients: int
    created_at: float
    attempts: int
    next_attempt_at: float | None
    """When the next attempt is due; None: it is being sent, or has ended."""
    is_locked: bool
    """Whether a service sends it now, or is about to."""
    error: str | None

    @classmethod
    def of(cls, row: Any) -> "Summary":
        """Return the summary of a row with the columns of `SUMMARY`."""
        is_locked = row["next_attempt_at"] is not None and row["locked_by"] is not None
        plain = ("id", "owner", "job", "number", "result", "created_at", "attempts")
        return cls(
            **{name: row[name] for name in plain},
            state=State(row["state"]),
            recipients=row["recipient_count"],
            next_attempt_at=None if is_locked else row["next_attempt_at"],
            is_locked=is_locked,
            error=row["error"] and shorten(row["error"], MAX_ERROR),
        )


def find(
    read: sa.Connection, wanted: Filter, limit: int, after: str | None = None
) -> list[Summary]:
    """Return reports in short, the newest first.

    Args:
        read: the outbox's.
        wanted: which reports.
        limit: how many at most.
        after: the ID of the last report on the page before.

    Raises:
        InvalidError: there is no report `after`.
    """
    ids = sa.select(reports.c.id).where(*conditions(wanted))
    key = sa.tuple_(reports.c.created_at, reports.c.id)
    if after is not None:
        after = after.replace("\0", "")  # PostgreSQL has no such text
        same = [reports.c.id == after, *_of_owner(wanted.owner)]
        last = read.execute(sa.select(reports.c.created_at).where(*same)).scalar()
        if last is None:
            raise InvalidError("`after` is no report's ID. Begin with the first page.")
        ids = ids.where(key < sa.tuple_(sa.literal(last), sa.literal(after)))
    newest = (reports.c.created_at.desc(), reports.c.id.desc())
    shown = read.execute(ids.order_by(*newest).limit(limit)).scalars().all()
    rows = read.execute(sa.select(*SUMMARY).where(reports.c.id.in_(shown))).mappings()
    by_id = {row["id"]: Summary.of(row) for row in rows}
    return [by_id[report_id] for report_id in shown if report_id in by_id]


def addresses(read: sa.Connection, report_ids: list[str]) -> dict[str, str]:
    """Return the first addresses of each report's recipients, one on each line."""
    shown = sa.func.substr(search_texts.c.recipients, 1, MAX_ADDRESSES)
    query = sa.select(search_texts.c.report_id, shown)
    rows = read.execute(query.where(search_texts.c.report_id.in_(report_ids)))
    return {row.report_id: row[1] for row in rows}


def count(read: sa.Connection, wanted: Filter) -> dict[State, int]:
    """Return how many reports are in each state; states without any are left out."""
    number = sa.func.count()
    query = sa.select(reports.c.state, number).where(*conditions(wanted))
    return {State(state): many for state, many in read.execute(query.group_by(reports.c.state))}


def has_vain_attempts(read: sa.Connection, wanted: Filter) -> bool:
    """Return whether a mail waits that Postfix did not take, among the first that are due."""
    of_queued = replace(wanted, states=(State.QUEUED,))
    due = sa.select(reports.c.attempts).where(*conditions(of_queued))
    first = due.order_by(reports.c.next_attempt_at).limit(MAX_DUE).subquery()
    query = sa.select(first.c.attempts).where(first.c.attempts > 0).limit(1)
    return read.execute(query).first() is not None


def search_row(entry: QueuedReport) -> dict[str, str]:
    """Return a report's row of `search_texts`."""
    build = entry.report.build
    words = (f"{build.job} #{build.number}", build.full_display_name, entry.report.mail.subject)
    return {
        "report_id": entry.id,
        "recipients": "\n".join(entry.recipients.addresses),
        "words": "\n".join(filter(None, words)).lower().replace("\0", ""),
    }


def mail_subject(mail: bytes) -> str:
    """Return the subject of a mail as its readers see it, in lower case; empty: it has none.

    Args:
        mail: its bytes, or the first of them.
    """
    found = _SUBJECT.search(mail[:MAX_HEAD].partition(b"\r\n\r\n")[0])
    if found is None:
        return ""
    # Our mails' headers are ASCII. Between two encoded words no white space is shown.
    written = found[1].replace(b"\r\n", b"").decode("ascii", "replace").strip()
    try:
        shown = str(make_header(decode_header(written)))
    except (LookupError, ValueError, MessageError):  # not of ours
        shown = written
    return shown.lower().replace("\0", "")


def store_subjects(write: sa.Connection, mails: Mapping[str, bytes | None]) -> None:
    """Let reports be found by their mails' subjects.

    Args:
        write: the outbox's.
        mails: by the reports' IDs; None: there is none any more.
    """
    rows = [{ROW_ID: key, "shown": mail_subject(mail or b"")} for key, mail in mails.items()]
    write.execute(_STORE_SUBJECT, rows)


def is_within(job: str) -> sa.ColumnElement[bool]:
    """Return the condition that a report is of a job, or of one in a folder of this name."""
    after = chr(ord("/") + 1)
    in_folder = sa.and_(reports.c.job >= f"{job}/", reports.c.job < f"{job}{after}")
    return sa.or_(reports.c.job == job, in_folder)


def _of_owner(owner: str | None) -> Iterator[sa.ColumnElement[bool]]:
    if owner is not None:
        # An expression: else SQLite would use the keys' index, and read each row for its state.
        yield reports.c.owner.concat("") == owner


def conditions(wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what a row of `reports` must be."""
    now = time.time()
    yield from _of_owner(wanted.owner)
    if wanted.states:
        yield reports.c.state.in_(wanted.states)
        if set(wanted.states) <= set(WAITING):
            yield reports.c.next_attempt_at.is_not(None)  # an index has only these
    if wanted.older_than is not None:
        yield reports.c.created_at <= now - wanted.older_than
    if wanted.newer_than is not None:
        yield reports.c.created_at >= now - wanted.newer_than
    if wanted.jobs:
        yield sa.or_(*map(is_within, wanted.jobs))
    if job := wanted.job.strip().rstrip("/").replace("\0", ""):
        yield is_within(job)
    if recipient := wanted.recipient.strip().replace("\0", ""):
        yield _in_texts(search_texts.c.recipients.icontains(recipient, autoescape=True))
    if text := wanted.text.strip().replace("\0", ""):
        yield _is_about(text, is_bounded=wanted.owner is not None or bool(wanted.jobs))


def _is_about(text: str, *, is_bounded: bool) -> sa.ColumnElement[bool]:
    report_id = report_id_of(text if text.startswith("<") else f"<{text}") or text
    subject = search_texts.c.subject.contains(text.lower(), autoescape=True)
    if is_bounded:  # a digest's subject may name a job that the caller may not see
        digests = sa.select(reports.c.id).where(reports.c.digest_id.is_not(None))
        subject &= search_texts.c.report_id.not_in(digests)
    texts = (
        search_texts.c.words.contains(text.lower(), autoescape=True),
        search_texts.c.recipients.icontains(text, autoescape=True),
        subject,
    )
    with_queue_id = sa.select(reports.c.id).where(reports.c.queue_id == text)
    return sa.or_(
        _in_texts(sa.or_(*texts)),
        sa.func.substr(reports.c.id, 1, len(report_id)) == report_id.lower(),
        reports.c.id.in_(with_queue_id),
    )


def _in_texts(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    # An expression, as for the owner: a part of an address may be in every report.
    return reports.c.id.concat("").in_(sa.select(search_texts.c.report_id).where(condition))
