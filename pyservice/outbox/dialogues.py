"""The SMTP dialogues of the last attempts of each report."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pyservice.dialogue import DialogueLine
from pyservice.outbox.tables import dialogues

MAX_KEPT = 5
"""Attempts of a report whose dialogues are kept; a mail that waits for days has hundreds."""


@dataclass(frozen=True)
class Dialogue:
    """What service and Postfix said in one attempt."""

    attempt: int
    """Its number, from 1."""
    at: float
    """When it ended."""
    lines: tuple[DialogueLine, ...]


def dialogue_row(
    report_id: str, attempt: int, at: float, lines: Sequence[DialogueLine]
) -> dict[str, Any]:
    """Return an attempt's row of `dialogues`, which replaces an earlier attempt's."""
    return {
        "report_id": report_id,
        "slot": attempt % MAX_KEPT,
        "attempt": attempt,
        "at": at,
        "lines": json.dumps(lines, ensure_ascii=False),
    }


def read_dialogues(read: sa.Connection, report_id: str) -> tuple[Dialogue, ...]:
    """Return the dialogues of a report's last attempts, the oldest first."""
    query = sa.select(dialogues).where(dialogues.c.report_id == report_id)
    rows = read.execute(query.order_by(dialogues.c.attempt)).mappings()
    return tuple(
        Dialogue(row["attempt"], row["at"], tuple(DialogueLine(*line) for line in lines))
        for row in rows
        for lines in [json.loads(row["lines"])]
    )
