"""Commits a report that was completed after its acceptance, before its mail is made."""

import json
import time
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from pyservice.errors import LostLeaseError
from pyservice.outbox.database import Database
from pyservice.outbox.groups import IS_WAITING
from pyservice.outbox.history import add_history
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.search import search_row
from pyservice.outbox.states import State
from pyservice.outbox.tables import UNLOCKED, reports, search_texts
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report


class Completions:
    """The completed reports of one service. Thread-safe.

    A report that is completed again, after a crash, is the same row with the same Message-ID.
    """

    def __init__(self, database: Database, holder: str) -> None:
        """Write nothing yet.

        Args:
            database: the outbox's.
            holder: this service's value of `reports.locked_by`.
        """
        self._database, self._holder = database, holder

    def store(
        self, entry: QueuedReport, report: Report, recipients: Recipients, note: str
    ) -> QueuedReport:
        """Commit a completed report, and who gets its mail now.

        Args:
            entry: as it was claimed.
            report: the completed one.
            recipients: who gets its mail.
            note: for the history.

        Raises:
            LostLeaseError: another service has locked it meanwhile, or it has ended.
        """
        completed = replace(
            entry,
            report=report,
            recipients=recipients,
            pending_recipients=recipients.addresses,
            error=None,
        )
        self._change(entry, _values(completed), (State.RECEIVED, note), search_row(completed))
        return completed

    def store_waiting(self, entry: QueuedReport, report: Report, note: str) -> None:
        """Commit a completed report that goes on waiting for a digest.

        Args:
            entry: as it was read; no service has locked it.
            report: the completed one.
            note: for the history.

        Raises:
            LostLeaseError: it doesn't wait any more, or a service has locked it meanwhile.
        """
        completed = replace(entry, report=report)
        waits = sa.and_(
            reports.c.locked_by.is_(None),
            reports.c.digest_group == entry.digest_group,
            IS_WAITING,
        )
        step = (State.RECEIVED, note)
        self._change(entry, _values(completed), step, search_row(completed), waits)

    def refuse(self, entry: QueuedReport, report: Report, reason: str) -> QueuedReport:
        """Commit that a completed report gets no mail: its recipients are not allowed.

        Args:
            entry: as it was claimed.
            report: the completed one.
            reason: why it gets none.

        Raises:
            LostLeaseError: as for `store`.
        """
        refused = replace(
            entry,
            report=report,
            recipients=Recipients(reply_to=entry.recipients.reply_to),
            state=State.SKIPPED,
            error=reason,
            pending_recipients=(),
            next_attempt_at=None,
        )
        ended = {
            "state": State.SKIPPED,
            "next_attempt_at": None,
            "ended_at": time.time(),
        }
        values = _values(refused) | UNLOCKED | ended
        self._change(entry, values, (State.SKIPPED, reason), search_row(refused))
        return refused

    def postpone(self, entry: QueuedReport, until: float, note: str) -> None:
        """Commit that a report waits for Jenkins, which alone knows its recipients.

        Args:
            entry: as it was claimed.
            until: when it is tried again, in seconds since the epoch.
            note: for the history; empty: it is there already.

        Raises:
            LostLeaseError: as for `store`.
        """
        values = UNLOCKED | {"next_attempt_at": until, "error": note or entry.error}
        self._change(entry, values, (State.RECEIVED, note) if note else None)

    def _change(
        self,
        entry: QueuedReport,
        values: dict[str, Any],
        step: tuple[str, str] | None,
        found_by: dict[str, str] | None = None,
        may_change: sa.ColumnElement[bool] | None = None,
    ) -> None:
        if may_change is None:
            may_change = reports.c.locked_by == self._holder
        row = sa.and_(reports.c.id == entry.id, reports.c.state == State.RECEIVED, may_change)
        if "report" in values:
            before = len(entry.report.model_dump_json().encode())
            added = len(values["report"].encode()) - before
            values = values | {"size_bytes": reports.c.size_bytes + added}

        def commit(write: sa.Connection) -> None:
            if not write.execute(reports.update().where(row).values(values)).rowcount:
                raise LostLeaseError
            if step:
                add_history(write, entry.id, time.time(), step)
            if found_by:
                is_its = search_texts.c.report_id == entry.id
                write.execute(search_texts.update().where(is_its).values(found_by))

        self._database.write(commit)


def _values(entry: QueuedReport) -> dict[str, Any]:
    """Return the columns that a completion changes."""
    return {
        "report": entry.report.model_dump_json(),
        "recipients": json.dumps(asdict(entry.recipients)),
        "recipient_count": len(entry.recipients.addresses),
        "pending_recipients": json.dumps(entry.pending_recipients),
        "error": entry.error,
    }
