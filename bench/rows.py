"""How many ended rows slow an outbox down."""

import time
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from bench.client import large_report
from bench.figures import Figure
from pyservice.addresses import Mailbox
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report

SIZES = (1_000, 100_000, 1_000_000)
TURNS = 40
REPORTS = 10
"""Reports of a turn: the outboxes take turns, so that other work of the machine slows all alike."""

_PEOPLE = Recipients(to=(Mailbox("", "ada@example.com"),))
# Short rows, so that a million fit: the service reads ended rows in indexes only.
_FILL = """
    WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < :rows)
    INSERT INTO reports (id, owner, idempotency_key, report_hash, message_id, report,
                         recipients, created_at, state, pending_recipients, attempts,
                         accepted_by_postfix, unconfirmed_attempts, queue_id, node, ended_at,
                         size_bytes, job, number, result, recipient_count)
    SELECT lower(hex(randomblob(16))), 'ci', 'report:' || lower(hex(randomblob(32))), '', '', '{}',
           '{}', 1.6e9 + n, 'relayed', '[]', 1, 1, 0, lower(hex(randomblob(8))), 'node1',
           1.6e9 + n, 2, 'shop/checkout', n, 'FAILURE', 1 FROM count
"""


def figures(folder: Path) -> dict[str, Figure]:
    """Return how long a report takes in each outbox, against the smallest one."""
    outboxes = {rows: _filled(folder / f"rows-{rows}.db", rows) for rows in SIZES}
    times: dict[int, list[float]] = {rows: [] for rows in SIZES}
    for turn in range(TURNS):
        for rows, outbox in outboxes.items():
            began = time.perf_counter()
            for number in range(1, REPORTS + 1):
                _cycle(outbox, Report.parse(large_report(f"turn-{turn}", number)))
            times[rows].append(1000 * (time.perf_counter() - began) / REPORTS)
    least = median(times[SIZES[0]])
    return {f"rows_{rows // 1000}k": Figure(median(times[rows]), least, "ms") for rows in SIZES[1:]}


def _cycle(outbox: Outbox, report: Report) -> None:
    outbox.accept(report, _PEOPLE, owner="ci").result()
    [entry] = outbox.claim()
    outbox.start_attempt(entry, b"x" * 50_000)
    outbox.finish_attempt(entry, state="accepted", note="250 2.0.0 Ok: queued", queue_id=entry.id)


def _filled(file: Path, rows: int) -> Outbox:
    database = Database(f"sqlite:///{file}")
    database.write(lambda write: write.execute(sa.text(_FILL), {"rows": rows}))
    return Outbox(database, host="ci.example.com", node="node1")
