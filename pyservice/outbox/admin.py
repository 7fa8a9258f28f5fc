"""What people do with reports: list, retry, cancel and purge them, while the service runs.

A row that a service has locked is being sent, and stays as it is.
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
    """Which reports to list; None means any."""

    owner: str | None = None
    """The token's name."""
    state: str | None = None
    """A `State`."""
    jobs: tuple[str, ...] = ()
    """Jobs, or folders with all their jobs; empty: any."""
    older_than: float | None = None
    """The least number of seconds since a report was accepted."""


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


class OutboxAdmin:
    """The reports of an outbox, for people. Thread-safe."""

    def __init__(self, database: Database, by: str) -> None:
        """Read nothing yet.

        Args:
            database: the service's, or a guest's.
            by: the caller's name in the history.
        """
        self._database, self._by = database, by

    def waiting(self) -> int:
        """Return how many mails Postfix does not have yet."""
        query = sa.select(sa.func.count()).where(reports.c.next_attempt_at.is_not(None))
        with self._database.read() as read:
            return int(read.execute(query).scalar_one())

    def page(self, wanted: Filter, limit: int, after: str | None = None) -> list[Summary]:
        """Return reports in short, the newest first.

        Args:
            wanted: which reports.
            limit: how many at most.
            after: the ID of the last report on the page before.

        Raises:
            InvalidError: there is no report `after`.
        """
        query = sa.select(*(reports.c[name] for name in _SUMMARY)).where(*self._where(wanted))
        key = sa.tuple_(reports.c.created_at, reports.c.id)
        with self._database.read() as read:
            if after is not None:
                last = read.execute(
                    sa.select(reports.c.created_at).where(*self._same(after, wanted.owner))
                ).scalar()
                if last is None:
                    raise InvalidError("`after` is no report's ID. Begin with the first page.")
                query = query.where(key < sa.tuple_(sa.literal(last), sa.literal(after)))
            newest = query.order_by(reports.c.created_at.desc(), reports.c.id.desc()).limit(limit)
            return [_summary(row) for row in read.execute(newest).mappings()]

    def knows(self, report: Report, owner: str, key: str | None) -> bool:
        """Whether a call repeats one whose report was accepted."""
        call = idempotency_key(report.content_hash(), key)
        same = sa.and_(reports.c.owner == owner, reports.c.idempotency_key == call)
        with self._database.read() as read:
            return read.execute(sa.select(reports.c.id).where(same)).first() is not None

    def find(self, prefix: str) -> str:
        """Return the ID of the only report whose ID begins with a prefix.

        Raises:
            NotFoundError: there is none.
            ConflictError: there are several.
        """
        begins = sa.func.substr(reports.c.id, 1, len(prefix)) == prefix
        with self._database.read() as read:
            ids = read.execute(sa.select(reports.c.id).where(begins).limit(2)).scalars().all()
        if not ids:
            raise NotFoundError(f"There is no report {prefix}.")
        if len(ids) > 1:
            raise ConflictError(f"Several reports begin with {prefix}: give more of the ID.")
        return str(ids[0])

    def failed(self) -> list[str]:
        """Return the IDs of all reports that have failed, the oldest first."""
        query = sa.select(reports.c.id).where(reports.c.state == State.FAILED)
        with self._database.read() as read:
            return list(read.execute(query.order_by(reports.c.created_at)).scalars())

    def retry(self, report_id: str, *, owner: str | None = None) -> Summary:
        """Make the next attempt of a report due now.

        A failed report goes to all its recipients: Postfix accepted it for none of them. A report
        that a dry run skipped goes to the recipients that are pending. A report in a digest group
        gets a mail of its own.

        Args:
            report_id: the report's ID.
            owner: the token's name; None: any.

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

        return self._change(report_id, owner, work, f"to be tried at once, says {self._by}")

    def cancel(self, report_id: str, *, owner: str | None = None) -> Summary:
        """End a report that waits: its pending recipients get no mail.

        If it is a digest that Postfix has accepted for nobody, its other members wait again, for
        a digest without this report.

        Args:
            report_id: the report's ID.
            owner: the token's name; None: any.

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

        return self._change(report_id, owner, work, f"says {self._by}")

    def ended_before(self, days: float) -> int:
        """Return how many reports ended so many days ago, or earlier."""
        old = sa.select(sa.func.count()).where(reports.c.ended_at < time.time() - days * DAY)
        with self._database.read() as read:
            return int(read.execute(old).scalar_one())

    def purge(self, days: float, *, batch_size: int = 100, pause: float = 0.05) -> int:
        """Remove reports that ended so many days ago, or earlier, with pauses for the service.

        Args:
            days: since they ended.
            batch_size: reports that one commit removes.
            pause: seconds between two commits.

        Returns:
            How many were removed.
        """
        before = time.time() - days * DAY
        return sweep(self._database, before, time.sleep, batch_size=batch_size, pause=pause)

    def _change(
        self,
        report_id: str,
        owner: str | None,
        work: Callable[[sa.RowMapping, float], dict[str, Any]],
        note: str,
    ) -> Summary:
        now = time.time()

        def commit(write: sa.Connection) -> Summary:
            query = sa.select(reports).where(*self._same(report_id, owner)).with_for_update()
            row = write.execute(query).mappings().first()
            if row is None:
                raise NotFoundError("There is no such report.")
            if row["next_attempt_at"] is not None and row["locked_by"] is not None:
                raise ConflictError("It is being sent right now: look again in a minute.")
            values = work(row, now)
            if (
                values["next_attempt_at"] is None
                and row["digest_id"] == report_id
                and not row["accepted_by_postfix"]
            ):
                requeue_members(write, row, now)
            write.execute(reports.update().where(reports.c.id == report_id).values(values))
            changed = {**row, **values}
            add_history(write, report_id, now, (changed["state"], note))
            return _summary(changed)

        return self._database.write(commit)

    @staticmethod
    def _same(report_id: str, owner: str | None) -> list[sa.ColumnElement[bool]]:
        same_id = reports.c.id == report_id.replace("\0", "")  # PostgreSQL has no such text
        return [same_id] if owner is None else [same_id, reports.c.owner == owner]

    def _where(self, wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
        if wanted.owner is not None:
            # An expression: else SQLite would use the keys' index, and read each row for its state.
            yield reports.c.owner.concat("") == wanted.owner
        if wanted.state is not None:
            yield reports.c.state == wanted.state
        if wanted.state in WAITING:
            yield reports.c.next_attempt_at.is_not(None)  # an index has only these
        if wanted.older_than is not None:
            yield reports.c.created_at <= time.time() - wanted.older_than
        if wanted.jobs:
            as_json = sa.cast if self._database.is_shared else sa.type_coerce
            job = as_json(reports.c.report, sa.JSON)[("build", "job")].as_string()
            is_within = [job.startswith(f"{name}/", autoescape=True) for name in wanted.jobs]
            yield sa.or_(job.in_(wanted.jobs), *is_within)


def _ended(row: sa.RowMapping) -> str:
    if row["state"] == State.DIGESTED:
        return f"Its build is in the mail of {row['digest_id']}"
    return "Postfix has it" if row["state"] in ACCEPTED_BY_POSTFIX else f"It is {row['state']}"


def _summary(row: Any) -> Summary:
    build = json.loads(row["report"])["build"]
    is_locked = row["next_attempt_at"] is not None and row["locked_by"] is not None
    return Summary(
        **{name: row[name] for name in ("id", "owner", "created_at", "attempts", "error")},
        state=State(row["state"]),
        **{name: build[name] for name in ("job", "number", "result")},
        recipients=len(all_addresses(row["recipients"])),
        next_attempt_at=None if is_locked else row["next_attempt_at"],
        is_locked=is_locked,
    )
