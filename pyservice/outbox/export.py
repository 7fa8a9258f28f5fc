"""All that the outbox knows of a report, as JSON: to look at, and to keep elsewhere."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pyservice.errors import NotFoundError
from pyservice.outbox.database import Database
from pyservice.outbox.tables import events, receipts_table, reports

_TIMES = ("at", "next_attempt_after", "next_attempt_before")
PORTION = 200
"""Reports that are read at once."""

Dossier = dict[str, Any]
"""The columns of a report, `history` and `receipts`; times in ISO 8601, the mail in base64."""


def dossier(database: Database, entry_id: str) -> Dossier:
    """One report's.

    Raises:
        NotFoundError: there is none.
    """
    for found in _portion(database, reports.c.id == entry_id):
        return found
    raise NotFoundError(f"There is no report {entry_id}.")


def export(database: Database) -> Iterator[Dossier]:
    """All reports', in the order of their IDs."""
    last = ""
    while portion := _portion(database, reports.c.id > last):
        yield from portion
        last = portion[-1]["id"]


def _portion(database: Database, which: sa.ColumnElement[bool]) -> list[Dossier]:
    with database.read() as read:
        query = sa.select(reports).where(which).order_by(reports.c.id).limit(PORTION)
        rows = read.execute(query).mappings().all()
        ids = [row["id"] for row in rows]
        history = sa.select(events).where(events.c.report_id.in_(ids)).order_by("number")
        receipts = sa.select(receipts_table).where(receipts_table.c.report_id.in_(ids))
        told = _grouped(read.execute(history), "state", "note")
        by_id = receipts.order_by(receipts_table.c.recipient)
        received = _grouped(
            read.execute(by_id),
            "recipient",
            "state",
            "reply",
            "next_attempt_after",
            "next_attempt_before",
        )
    return [
        _columns(row)
        | {"history": told.get(row["id"], []), "receipts": received.get(row["id"], [])}
        for row in rows
    ]


def _grouped(rows: sa.CursorResult[Any], *names: str) -> dict[str, list[Dossier]]:
    found: dict[str, list[Dossier]] = {}
    for row in rows.mappings():
        one = {name: row[name] for name in names}
        one |= {name: when(row[name]) for name in _TIMES if name in row}
        found.setdefault(row["report_id"], []).append(one)
    return found


def _columns(row: sa.RowMapping) -> Dossier:
    mail = row["mail"]
    return {
        **row,
        **{name: json.loads(row[name]) for name in ("report", "recipients", "pending_recipients")},
        **{
            name: when(row[name])
            for name in ("created_at", "next_attempt_at", "locked_until", "ended_at")
        },
        "mail": None if mail is None else base64.b64encode(mail).decode(),
    }


def when(seconds: float | None) -> str | None:
    """A time in ISO 8601, UTC, of seconds since the epoch."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
