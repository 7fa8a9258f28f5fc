"""What people do with the outbox: list, try again, cancel, purge; its service may be running.

What a service holds is being sent, and is left alone.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pyservice.errors import ConflictError, InvalidError, NotFoundError
from pyservice.outbox.database import Database
from pyservice.outbox.groups import NO_GROUP, requeue_members
from pyservice.outbox.history import add_history
from pyservice.outbox.models import all_addresses, idempotency_key
from pyservice.outbox.retention import DAY, sweep
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX, WAITING, State
from pyservice.outbox.tables import reports
from pyservice.report.schema import Report

_SUMMARY = (
    "id",
    "owner",
    "state",
    "created_at",
    "attempts",
    "next_attempt_at",
    "locked_by",
    "error",
    "report",
    "recipients",
)


@dataclass(frozen=True)
class Filter:
    """Which reports are meant; what is None does not matter."""

    owner: str | None = None
    """The token's name."""
    state: str | None = None
    jobs: tuple[str, ...] = ()
    """Jobs, or folders with all that is in them; empty: any."""
    older_than: float | None = None
    """Seconds since it was accepted, at least."""


@dataclass(frozen=True)
class Summary:
    """A report, in short."""

    id: str
    owner: str
    state: str
    job: str
    number: int
    result: str
    recipients: int
    created_at: float
    attempts: int
    next_attempt_at: float | None
    """When it is tried next; None: it is held, or has ended."""
    is_locked: bool
    """A service is sending it, or is about to."""
    error: str | None


class OutboxAdmin:
    """Reports, for people. Thread-safe."""

    def __init__(self, database: Database, by: str) -> None:
        """Look at nothing yet.

        Args:
            database: a service's own, or a guest's.
            by: who asks, in the history's words.
        """
        self._database, self._by = database, by

    def waiting(self) -> int:
        """How many mails Postfix has not got yet."""
        query = sa.select(sa.func.count()).where(reports.c.next_attempt_at.is_not(None))
        with self._database.read() as read:
            return int(read.execute(query).scalar_one())

    def page(self, wanted: Filter, limit: int, after: str | None = None) -> list[Summary]:
        """Reports in short, the newest first.

        Args:
            wanted: which.
            limit: how many at most.
            after: the last one's ID of the page before.

        Raises:
            InvalidError: there is no report `after`.
        """
        query = sa.select(*(reports.c[name] for name in _SUMMARY)).where(*self._where(wanted))
        key = sa.tuple_(reports.c.created_at, reports.c.id)
        with self._database.read() as read:
            if after is not None:
                last = read.execute(
                    sa.select(reports.c.created_at).where(*self._one(after, wanted.owner))
                ).scalar()
                if last is None:
                    raise InvalidError("`after` is no report's ID. Begin with the first page.")
                query = query.where(key < sa.tuple_(sa.literal(last), sa.literal(after)))
            newest = query.order_by(reports.c.created_at.desc(), reports.c.id.desc()).limit(limit)
            return [_summary(row) for row in read.execute(newest).mappings()]

    def knows(self, report: Report, owner: str, key: str | None) -> bool:
        """Whether a call repeats one that was accepted."""
        name = idempotency_key(report.digest(), key)
        same = sa.and_(reports.c.owner == owner, reports.c.idempotency_key == name)
        with self._database.read() as read:
            return read.execute(sa.select(reports.c.id).where(same)).first() is not None

    def find(self, prefix: str) -> str:
        """The ID of the one report whose ID begins so.

        Raises:
            NotFoundError: there is none.
            ConflictError: there are several.
        """
        begins = sa.func.substr(reports.c.id, 1, len(prefix)) == prefix
        with self._database.read() as read:
            found = read.execute(sa.select(reports.c.id).where(begins).limit(2)).scalars().all()
        if not found:
            raise NotFoundError(f"There is no report {prefix}.")
        if len(found) > 1:
            raise ConflictError(f"Several reports begin with {prefix}: give more of the ID.")
        return str(found[0])

    def failed(self) -> list[str]:
        """The IDs of all that have failed, the oldest first."""
        query = sa.select(reports.c.id).where(reports.c.state == State.FAILED)
        with self._database.read() as read:
            return list(read.execute(query.order_by(reports.c.created_at)).scalars())

    def retry(self, entry_id: str, *, owner: str | None = None) -> Summary:
        """Let a mail be tried at once; one that has failed goes to all its recipients.

        Nobody got a mail that has failed: it would be `accepted`, with what is missing. One that
        a dry run skipped goes to those who hadn't got it before. One that waits for others is a
        mail of its own then.

        Args:
            entry_id: the report's.
            owner: the token's name; None: whosever it is.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is being sent, or has ended otherwise.
        """

        def work(row: sa.RowMapping, now: float) -> dict[str, Any]:
            alone = NO_GROUP if row["digest_id"] is None else {}
            if row["next_attempt_at"] is not None:
                return {"next_attempt_at": now} | alone
            if row["state"] not in {State.FAILED, State.SKIPPED}:
                raise ConflictError(f"{_ended(row)}: it is not sent again.")
            values: dict[str, Any] = {
                "state": State.RECEIVED if row["mail"] is None else State.QUEUED
            }
            if row["state"] == State.FAILED:
                values["pending_recipients"] = json.dumps(all_addresses(row["recipients"]))
            return values | {"next_attempt_at": now, "ended_at": None} | alone

        return self._change(entry_id, owner, work, f"to be tried at once, says {self._by}")

    def cancel(self, entry_id: str, *, owner: str | None = None) -> Summary:
        """Let a mail that waits never be sent, or not to those who haven't got it yet.

        The others of a digest that nobody has got wait again, for one without this report.

        Args:
            entry_id: the report's.
            owner: the token's name; None: whosever it is.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is being sent, or has ended.
        """

        def work(row: sa.RowMapping, now: float) -> dict[str, Any]:
            if row["next_attempt_at"] is None:
                raise ConflictError(f"{_ended(row)}: there is nothing to cancel.")
            return {
                "state": State.CANCELLED,
                "next_attempt_at": None,
                "ended_at": now,
                "pending_recipients": "[]",
            }

        return self._change(entry_id, owner, work, f"says {self._by}")

    def ended_before(self, days: float) -> int:
        """How many reports ended before so many days."""
        old = sa.select(sa.func.count()).where(reports.c.ended_at < time.time() - days * DAY)
        with self._database.read() as read:
            return int(read.execute(old).scalar_one())

    def purge(self, days: float) -> int:
        """Remove reports that ended before so many days, with pauses for the service.

        Returns:
            How many there were.
        """
        return sweep(self._database, time.time() - days * DAY, time.sleep)

    def _change(
        self,
        entry_id: str,
        owner: str | None,
        work: Callable[[sa.RowMapping, float], dict[str, Any]],
        note: str,
    ) -> Summary:
        now = time.time()

        def commit(write: sa.Connection) -> Summary:
            query = sa.select(reports).where(*self._one(entry_id, owner)).with_for_update()
            row = write.execute(query).mappings().first()
            if row is None:
                raise NotFoundError("There is no such report.")
            if row["next_attempt_at"] is not None and row["locked_by"] is not None:
                raise ConflictError("It is being sent right now: look again in a minute.")
            values = work(row, now)
            if (
                values["next_attempt_at"] is None
                and row["digest_id"] == entry_id
                and not row["accepted_by_postfix"]
            ):
                requeue_members(write, row, now)
            write.execute(reports.update().where(reports.c.id == entry_id).values(values))
            changed = {**row, **values}
            add_history(write, entry_id, now, (changed["state"], note))
            return _summary(changed)

        return self._database.write(commit)

    @staticmethod
    def _one(entry_id: str, owner: str | None) -> list[sa.ColumnElement[bool]]:
        found = [reports.c.id == entry_id.replace("\0", "")]  # which PostgreSQL can't be asked for
        return found if owner is None else [*found, reports.c.owner == owner]

    def _where(self, wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
        if wanted.owner is not None:
            # An expression, or SQLite goes by the keys' index and reads each row for its state.
            yield reports.c.owner.concat("") == wanted.owner
        if wanted.state is not None:
            yield reports.c.state == wanted.state
        if wanted.state in WAITING:
            yield reports.c.next_attempt_at.is_not(None)  # an index has these alone
        if wanted.older_than is not None:
            yield reports.c.created_at <= time.time() - wanted.older_than
        if wanted.jobs:
            as_json = sa.cast if self._database.is_shared else sa.type_coerce
            job = as_json(reports.c.report, sa.JSON)[("build", "job")].as_string()
            is_within = [job.startswith(f"{one}/", autoescape=True) for one in wanted.jobs]
            yield sa.or_(job.in_(wanted.jobs), *is_within)


def _ended(row: sa.RowMapping) -> str:
    if row["state"] == State.DIGESTED:
        return f"Its build is in the mail of {row['digest_id']}"
    return "Postfix has it" if row["state"] in ACCEPTED_BY_POSTFIX else f"It is {row['state']}"


def _summary(row: Any) -> Summary:
    build = json.loads(row["report"])["build"]
    is_held = row["next_attempt_at"] is not None and row["locked_by"] is not None
    return Summary(
        **{name: row[name] for name in ("id", "owner", "state", "created_at", "attempts", "error")},
        **{name: build[name] for name in ("job", "number", "result")},
        recipients=len(all_addresses(row["recipients"])),
        next_attempt_at=None if is_held else row["next_attempt_at"],
        is_locked=is_held,
    )
