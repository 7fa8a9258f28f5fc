"""Which mails are one thread: those about one breakage of a job.

A breakage begins with a build that failed or was unstable, and ends with the next one that passed.
The first mail about it begins a thread, and the others refer to that mail's Message-ID. A job's row
has its last breakages. It is locked while a report is committed, so that services which share an
outbox agree. If the row is lost, a new thread begins.

Builds are in the order of their starts. They may be reported in another one, and a job that was
deleted and created again counts from 1.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import sqlalchemy as sa

from pyservice.identity import Thread
from pyservice.outbox.database import Database
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.tables import ROW_ID, UPDATE, threads
from pyservice.report.breakage import FAILING
from pyservice.report.schema import Build
from pyservice.urls import origin

MAX_BREAKAGES = 3
"""The last breakages of a job that are kept, for builds that are reported late."""
MAX_AGE = 180 * 24 * 3600.0
"""Seconds for which a job that breaks and passes no more is kept."""

Moment = tuple[int, int]
"""A build's start in milliseconds, and its number: builds are in this order."""
Key = tuple[str, str]
"""The columns `scope` and `job` of a row."""


@dataclass(frozen=True)
class Breakage:
    """The builds of a job from one that broke it to the one that passed again."""

    message_id: str
    """Of the mail that began the thread."""
    number: int
    """Of the build that this mail is about."""
    first: Moment
    last: Moment
    """The last build that failed or was unstable."""
    ended: Moment | None = None
    """The build that passed, or, if that was not reported, `last`; None: it goes on."""

    @property
    def thread(self) -> Thread:
        """The thread of its mails."""
        return Thread(self.message_id, self.number)


def scope_of(controller: str | None, owner: str, build: Build) -> str:
    """Return where a job's name is unique: the controller that a token is bound to.

    Args:
        controller: its URL; None: the token is bound to none, and `build.url` shows the controller.
        owner: the token's name.
        build: the build.
    """
    return controller or f"{owner} {origin(build.url) if build.url else ''}"


def place(
    breakages: Sequence[Breakage], build: Build, message_id: str
) -> tuple[list[Breakage], Thread | None]:
    """Return a job's breakages after a build, the oldest first, and the thread of its mail.

    A build that was aborted or not built neither begins nor ends a breakage.

    Args:
        breakages: those before, the oldest first.
        build: the build.
        message_id: of its mail.
    """
    moment, is_broken = (build.started_at, build.number), build.result in FAILING
    new = list(breakages)
    # The last breakage that began before this build; else the first one, if nothing passed between.
    index = max((i for i, one in enumerate(new) if one.first <= moment), default=-1)
    if index >= 0:
        one = new[index]
        if one.ended is None and _has_ended_unseen(one, build, moment):
            one = new[index] = replace(one, ended=one.last)
        is_inside = one.ended is None or moment <= one.ended
        if is_inside and is_broken:
            new[index] = replace(one, last=max(one.last, moment))
        elif is_inside and build.result == "SUCCESS" and moment > one.last:
            new[index] = replace(one, ended=moment)
        if is_inside:
            return new, one.thread
    if not is_broken:
        return new, None
    if index + 1 < len(new):  # it was reported after a later build of the same breakage
        new[index + 1] = replace(new[index + 1], first=moment)
        return new, new[index + 1].thread
    begun = Breakage(message_id, build.number, first=moment, last=moment)
    return [*new, begun][-MAX_BREAKAGES:], begun.thread


def _has_ended_unseen(breakage: Breakage, build: Build, moment: Moment) -> bool:
    """Return whether a build between the last one that broke and this one passed, unreported.

    So it is, too, if the job was created again, and counts from 1.
    """
    if moment <= breakage.last:
        return False
    if build.number < breakage.number:
        return True
    if build.history and (success := build.history.last_success):
        return (success.started_at, success.number) > breakage.last
    # The build right after it may have run beside it, so that the result before is an older one.
    return build.previous_result == "SUCCESS" and build.number > breakage.last[1] + 1


class JobThreads:
    """The breakages of all jobs."""

    def __init__(self, database: Database) -> None:
        """Read nothing yet."""
        self._add = database.insert_if_new(threads).values(updated_at=0.0, breakages="[]")

    def join(
        self, write: sa.Connection, new: Sequence[tuple[str, QueuedReport]]
    ) -> dict[str, Thread]:
        """Store the threads of new reports, and return them by the reports' IDs.

        Args:
            write: the transaction in which the reports have been inserted.
            new: the reports, each with the scope of its job.
        """
        builds = [
            ((scope, entry.report.build.job), entry)
            for scope, entry in new
            if not entry.report.mail.is_preview
        ]
        # In one order everywhere: two services with reports of the same jobs wait for each other.
        broken = sorted({key for key, entry in builds if entry.report.build.result in FAILING})
        if broken:
            write.execute(self._add, [{"scope": scope, "job": job} for scope, job in broken])
        before = _locked(write, sorted({key for key, _ in builds}))
        after, joined = dict(before), {}
        for key, entry in sorted(builds, key=lambda pair: pair[1].report.build.started_at):
            if key in after:
                build = entry.report.build
                placed, thread = place(after[key], build, entry.message_id)
                if not entry.report.mail.dry_run:  # later mails can't refer to one that nobody has
                    after[key] = placed
                if thread is not None:
                    joined[entry.id] = thread
        if changed := [key for key in after if after[key] != before[key]]:
            write.execute(_UPDATE_THREADS, [_parameters(key, after[key]) for key in changed])
        if joined:
            values = [
                {ROW_ID: report_id, "thread_id": thread.message_id, "thread_number": thread.number}
                for report_id, thread in joined.items()
            ]
            write.execute(UPDATE, values)
        return joined


def forget_threads(database: Database, now: float) -> None:
    """Remove the rows of jobs that have neither broken nor passed for long."""
    is_old = threads.c.updated_at < now - MAX_AGE
    with database.read() as read:
        if read.execute(sa.select(threads.c.job).where(is_old).limit(1)).first() is None:
            return
    database.write(lambda write: write.execute(sa.delete(threads).where(is_old)))


_UPDATE_THREADS = threads.update().where(
    threads.c.scope == sa.bindparam("of_scope"), threads.c.job == sa.bindparam("of_job")
)


_KEYS: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
_LOCKED_THREADS = (
    sa.select(threads.c.scope, threads.c.job, threads.c.breakages)
    .where(sa.tuple_(threads.c.scope, threads.c.job).in_(_KEYS))
    .order_by(threads.c.scope, threads.c.job)
    .with_for_update()
)


def _locked(write: sa.Connection, keys: list[Key]) -> dict[Key, list[Breakage]]:
    """Return the breakages of jobs that have a row, locked until the commit."""
    rows = write.execute(_LOCKED_THREADS, {_KEYS.key: keys})
    return {(row.scope, row.job): _parsed(row.breakages) for row in rows}


def _parameters(key: Key, breakages: list[Breakage]) -> dict[str, Any]:
    text = json.dumps([astuple(one) for one in breakages])
    return {"of_scope": key[0], "of_job": key[1], "updated_at": time.time(), "breakages": text}


def _parsed(text: str) -> list[Breakage]:
    return [
        Breakage(message_id, number, tuple(first), tuple(last), ended and tuple(ended))
        for message_id, number, first, last, ended in json.loads(text)
    ]
