"""What people do with reports: list, retry, cancel and purge them, while the service runs.

A row that a service has locked is being sent, and stays as it is.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from pyservice.errors import ConflictError, NotFoundError
from pyservice.outbox.database import Database
from pyservice.outbox.groups import NO_GROUP, requeue_members
from pyservice.outbox.history import add_history
from pyservice.outbox.models import all_addresses, idempotency_key
from pyservice.outbox.retention import DAY, sweep
from pyservice.outbox.search import (
    SUMMARY,
    Filter,
    Summary,
    addresses,
    count,
    find,
    has_vain_attempts,
    store_subjects,
)
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX, State
from pyservice.outbox.tables import reports
from pyservice.report.schema import Report

_CHANGED = (
    *SUMMARY,
    *(reports.c.digest_id, reports.c.accepted_by_postfix, reports.c.recipients),
    reports.c.mail.is_not(None).label("has_mail"),
)
"""What decides on a change, besides."""


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
        with self._database.read_for_caller() as read:
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
        with self._database.read_for_caller() as read:
            return find(read, wanted, limit, after)

    def counts(self, wanted: Filter) -> dict[State, int]:
        """Return how many reports are in each state; states without any are left out."""
        with self._database.read_for_caller() as read:
            return count(read, wanted)

    def has_vain_attempts(self, wanted: Filter) -> bool:
        """Return whether a mail waits that Postfix did not take."""
        with self._database.read_for_caller() as read:
            return has_vain_attempts(read, wanted)

    def addresses(self, page: Sequence[Summary]) -> dict[str, str]:
        """Return the first addresses of each report's recipients, by its ID, one on each line."""
        with self._database.read_for_caller() as read:
            return addresses(read, [one.id for one in page])

    def knows(self, report: Report, owner: str, key: str | None) -> bool:
        """Whether a call repeats one whose report was accepted."""
        call = idempotency_key(report.content_hash(), key)
        same = sa.and_(reports.c.owner == owner, reports.c.idempotency_key == call)
        with self._database.read_for_caller() as read:
            return read.execute(sa.select(reports.c.id).where(same)).first() is not None

    def find(self, prefix: str) -> str:
        """Return the ID of the only report whose ID begins with a prefix.

        Raises:
            NotFoundError: there is none.
            ConflictError: there are several.
        """
        begins = sa.func.substr(reports.c.id, 1, len(prefix)) == prefix
        with self._database.read_for_caller() as read:
            ids = read.execute(sa.select(reports.c.id).where(begins).limit(2)).scalars().all()
        if not ids:
            raise NotFoundError(f"There is no report {prefix}.")
        if len(ids) > 1:
            raise ConflictError(f"Several reports begin with {prefix}: give more of the ID.")
        return str(ids[0])

    def failed(self) -> list[str]:
        """Return the IDs of all reports that have failed, the oldest first."""
        query = sa.select(reports.c.id).where(reports.c.state == State.FAILED)
        with self._database.read_for_caller() as read:
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
            is_over = row["state"] not in {State.FAILED, State.SKIPPED}
            if is_over or not all_addresses(row["recipients"]):
                raise ConflictError(f"{_ended(row)}: it is not sent again.")
            values: dict[str, Any] = {"state": State.QUEUED if row["has_mail"] else State.RECEIVED}
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
        with self._database.read_for_caller() as read:
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
            query = sa.select(*_CHANGED).where(*self._same(report_id, owner)).with_for_update()
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
                # Its mail shows the builds of the others, whose readers are not this report's.
                size = sa.func.length(reports.c.mail)
                values |= {"mail": None, "size_bytes": reports.c.size_bytes - size}
                store_subjects(write, {report_id: None})
            write.execute(reports.update().where(reports.c.id == report_id).values(values))
            changed = {**row, **values}
            add_history(write, report_id, now, (changed["state"], note))
            return Summary.of(changed)

        return self._database.write(commit)

    @staticmethod
    def _same(report_id: str, owner: str | None) -> list[sa.ColumnElement[bool]]:
        same_id = reports.c.id == report_id.replace("\0", "")  # PostgreSQL has no such text
        return [same_id] if owner is None else [same_id, reports.c.owner == owner]


def _ended(row: sa.RowMapping) -> str:
    if row["state"] == State.DIGESTED:
        return f"Its build is in the mail of {row['digest_id']}"
    return "Postfix has it" if row["state"] in ACCEPTED_BY_POSTFIX else f"It is {row['state']}"
