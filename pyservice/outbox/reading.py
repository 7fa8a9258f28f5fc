"""Reads what people want to know beside the list: a mail's neighbours, and what rates hold back."""

from dataclasses import dataclass

import sqlalchemy as sa

from pyservice.outbox.database import Database
from pyservice.outbox.dialogues import Dialogue, read_dialogues
from pyservice.outbox.export import ExportedReport, export_report
from pyservice.outbox.groups import IS_WAITING
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.search import SUMMARY, Filter, Summary, conditions, find
from pyservice.outbox.tables import events, reports

NEIGHBOURS = 200
"""Reports of the same job among which the others of a thread are looked for."""


@dataclass(frozen=True)
class WaitingGroup:
    """Reports over a rate that wait to become one mail."""

    owner: str
    jobs: tuple[str, ...]
    """The first and the last of their jobs, by name; one if it is the same."""
    first_id: str
    """The ID of one of them."""
    builds: int
    since: float
    """When the first of them was accepted."""
    due: float
    """When their digest is made and sent."""


@dataclass(frozen=True)
class SentDigest:
    """A digest that was made."""

    mail: Summary
    builds: int


@dataclass(frozen=True)
class Step:
    """A step in some report's history, and whose that is."""

    number: int
    """Grows with each step; after a removal of reports one may come back."""
    at: float
    owner: str
    job: str


class OutboxReader:
    """Reads an outbox for people. Thread-safe."""

    def __init__(self, database: Database) -> None:
        """Read nothing yet."""
        self._database = database

    def dialogues(self, report_id: str) -> tuple[Dialogue, ...]:
        """Return what was said to Postfix in a report's last attempts, the oldest first."""
        with self._database.read_for_caller() as read:
            return read_dialogues(read, report_id)

    def last_steps(self, limit: int) -> list[Step]:
        """Return the newest steps of all histories: each change of a report is one."""
        newest = sa.select(events).order_by(events.c.number.desc()).limit(limit).subquery()
        query = sa.select(newest.c.number, newest.c.at, reports.c.owner, reports.c.job).join(
            reports, reports.c.id == newest.c.report_id
        )
        with self._database.read_for_caller() as read:
            return [Step(*row) for row in read.execute(query)]

    def export(self, report_id: str) -> ExportedReport:
        """Return all that the outbox has of a report, as JSON.

        Raises:
            NotFoundError: there is none.
        """
        return export_report(self._database, report_id)

    def members(self, digest_id: str, bounds: Filter) -> list[Summary]:
        """Return the reports that a digest shows, the oldest first.

        Args:
            digest_id: the ID of the report whose mail it is.
            bounds: which reports the reader may see.
        """
        query = sa.select(*SUMMARY).where(reports.c.digest_id == digest_id, *conditions(bounds))
        with self._database.read_for_caller() as read:
            rows = read.execute(query.order_by(reports.c.created_at)).mappings()
            return [Summary.of(row) for row in rows]

    def same_thread(self, entry: QueuedReport, bounds: Filter) -> list[Summary]:
        """Return the other reports of a mail's thread, the newest first."""
        if entry.thread_id is None:
            return []
        of_job = Filter(bounds.owner, bounds.jobs, job=entry.report.build.job)
        with self._database.read_for_caller() as read:
            near = {one.id: one for one in find(read, of_job, NEIGHBOURS)}
            same = sa.and_(reports.c.id.in_(near), reports.c.thread_id == entry.thread_id)
            ids = set(read.execute(sa.select(reports.c.id).where(same)).scalars())
        return [one for one in near.values() if one.id in ids - {entry.id}]

    def waiting_groups(self, bounds: Filter) -> list[WaitingGroup]:
        """Return what waits for a digest, the next one first."""
        job, due = reports.c.job, sa.func.min(reports.c.next_attempt_at)
        query = (
            sa.select(
                *(reports.c.owner, sa.func.min(job).label("first"), sa.func.max(job).label("last")),
                *(sa.func.min(reports.c.id).label("id"), sa.func.count().label("builds")),
                *(sa.func.min(reports.c.created_at).label("since"), due.label("due")),
            )
            .where(reports.c.digest_group.is_not(None), IS_WAITING, *conditions(bounds))
            .group_by(reports.c.digest_group, reports.c.owner)
            .order_by(due)
        )
        with self._database.read_for_caller() as read:
            return [
                WaitingGroup(
                    owner=row.owner,
                    jobs=tuple(dict.fromkeys((row.first, row.last))),
                    first_id=row.id,
                    builds=row.builds,
                    since=row.since,
                    due=row.due,
                )
                for row in read.execute(query)
            ]

    def digests(self, bounds: Filter, limit: int) -> list[SentDigest]:
        """Return the digests that were made last, the newest first."""
        made = (
            sa.select(reports.c.digest_id, sa.func.count().label("builds"))
            .where(reports.c.digest_id.is_not(None), *conditions(bounds))
            .group_by(reports.c.digest_id)
            .subquery()
        )
        query = (
            sa.select(*SUMMARY, made.c.builds)
            .join(made, made.c.digest_id == reports.c.id)
            .where(*conditions(bounds))
            .order_by(reports.c.created_at.desc(), reports.c.id.desc())
        )
        with self._database.read_for_caller() as read:
            rows = read.execute(query.limit(limit)).mappings()
            return [SentDigest(Summary.of(row), row["builds"]) for row in rows]
