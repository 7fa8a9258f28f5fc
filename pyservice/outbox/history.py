"""The history of a report: rows of the table `events`."""

from typing import Any

import sqlalchemy as sa

from pyservice.outbox.models import Event
from pyservice.outbox.states import State
from pyservice.outbox.tables import ADD_EVENTS, events


def history_rows(report_id: str, at: float, *history: tuple[str, str]) -> list[dict[str, Any]]:
    """Return rows of `events` for steps of a report, each a state and a note."""
    return [
        {"report_id": report_id, "at": at, "state": state, "note": note} for state, note in history
    ]


def add_history(write: sa.Connection, report_id: str, at: float, *history: tuple[str, str]) -> None:
    """Add steps to a report's history."""
    write.execute(ADD_EVENTS, history_rows(report_id, at, *history))


def read_history(read: sa.Connection, report_id: str) -> tuple[Event, ...]:
    """Return a report's history, the oldest step first."""
    query = sa.select(events).where(events.c.report_id == report_id).order_by("number")
    rows = read.execute(query).mappings()
    return tuple(Event(row["at"], State(row["state"]), row["note"]) for row in rows)
