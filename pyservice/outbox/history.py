"""The history of a report: rows of the table `events`."""

from typing import Any

import sqlalchemy as sa

from pyservice.outbox.models import Event
from pyservice.outbox.tables import events


def steps(entry_id: str, at: float, *history: tuple[str, str]) -> list[dict[str, Any]]:
    """Rows of a report's history, of states and what is said of them."""
    return [
        {"report_id": entry_id, "at": at, "state": state, "note": text} for state, text in history
    ]


def add_history(write: sa.Connection, entry_id: str, at: float, *history: tuple[str, str]) -> None:
    """Add to a report's history."""
    write.execute(events.insert(), steps(entry_id, at, *history))


def history_of(read: sa.Connection, entry_id: str) -> tuple[Event, ...]:
    """A report's history, the oldest first."""
    query = sa.select(events).where(events.c.report_id == entry_id).order_by("number")
    rows = read.execute(query).mappings()
    return tuple(Event(row["at"], row["state"], row["note"]) for row in rows)
