"""Reports of the outbox as JSON, with all that is known of them."""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import sqlalchemy as sa

from pyservice.errors import NotFoundError
from pyservice.outbox.database import Database
from pyservice.outbox.tables import dialogues, events, receipts_table, reports

ExportedReport = dict[str, Any]
"""The columns of a report, `history`, `receipts` and `dialogues`; times in ISO 8601, the mail in
base64."""

PAGE_BYTES = 8 * 1024**2
"""Of the reports and mails that are read at once, unless one alone has more."""

_EVENT = ("at", "state", "note")
_RECEIPT = ("at", "recipient", "state", "reply", "next_attempt_after", "next_attempt_before")
_DIALOGUE = ("attempt", "at", "lines")
_TIMES = ("at", "next_attempt_after", "next_attempt_before")


def export_report(database: Database, report_id: str) -> ExportedReport:
    """Return one report.

    Raises:
        NotFoundError: there is none.
    """
    for report in _read(database, [report_id]):
        return report
    raise NotFoundError(f"There is no report {report_id}.")


def export_reports(database: Database, *, page_size: int = 200) -> Iterator[ExportedReport]:
    """Return all reports, in the order of their IDs.

    No transaction is open between two pages: it would keep SQLite's log from being emptied.

    Args:
        database: the outbox's.
        page_size: reports that are read at once, at most.
    """
    last = ""
    while ids := _next_page(database, last, page_size):
        yield from _read(database, ids)
        last = ids[-1]


def _next_page(database: Database, last: str, page_size: int) -> list[str]:
    """Return the IDs of the reports after the last one."""
    sizes = sa.select(reports.c.id, reports.c.size_bytes).where(reports.c.id > last)
    with database.read() as read:
        rows = read.execute(sizes.order_by(reports.c.id).limit(page_size)).all()
    totals = accumulate(row.size_bytes for row in rows)
    return [
        row.id
        for number, (row, total) in enumerate(zip(rows, totals, strict=True))
        if not number or total <= PAGE_BYTES
    ]


def _read(database: Database, ids: Sequence[str]) -> list[ExportedReport]:
    with database.read() as read:
        query = sa.select(reports).where(reports.c.id.in_(ids)).order_by(reports.c.id)
        rows = read.execute(query).mappings().all()
        event_rows = sa.select(events).where(events.c.report_id.in_(ids)).order_by("number")
        receipt_rows = sa.select(receipts_table).where(receipts_table.c.report_id.in_(ids))
        history = _by_report(read.execute(event_rows), _EVENT)
        said_rows = sa.select(dialogues).where(dialogues.c.report_id.in_(ids)).order_by("attempt")
        said = _by_report(read.execute(said_rows), _DIALOGUE)
        receipts = _by_report(
            read.execute(receipt_rows.order_by(receipts_table.c.recipient)), _RECEIPT
        )
    return [
        _columns(row)
        | {"history": history.get(row["id"], []), "receipts": receipts.get(row["id"], [])}
        | {
            "dialogues": [
                one | {"lines": json.loads(one["lines"])} for one in said.get(row["id"], [])
            ]
        }
        for row in rows
    ]


def _by_report(
    rows: sa.CursorResult[Any], names: tuple[str, ...]
) -> dict[str, list[dict[str, Any]]]:
    by_report: dict[str, list[dict[str, Any]]] = {}
    for row in rows.mappings():
        values = {name: iso_time(row[name]) if name in _TIMES else row[name] for name in names}
        by_report.setdefault(row["report_id"], []).append(values)
    return by_report


def _columns(row: sa.RowMapping) -> ExportedReport:
    mail = row["mail"]
    return {
        **row,
        **{name: json.loads(row[name]) for name in ("report", "recipients", "pending_recipients")},
        **{
            name: iso_time(row[name])
            for name in ("created_at", "next_attempt_at", "locked_until", "ended_at")
        },
        "mail": None if mail is None else base64.b64encode(mail).decode(),
    }


def iso_time(seconds: float | None) -> str | None:
    """Return a time of seconds since the epoch in ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
