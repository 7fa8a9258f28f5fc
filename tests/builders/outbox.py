"""An outbox with reports."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.outbox.database import Database
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox, OutboxLimits
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from tests.builders.patience import PATIENCE

PEOPLE = Recipients(to=(Mailbox("Ada Éxample", "ada@example.com"),), bcc=(Mailbox("", "b@x.org"),))
REPORT = samples.load("2-failure")


def other(number: int) -> Report:
    return REPORT.model_copy(update={"build": REPORT.build.model_copy(update={"number": number})})


@contextmanager
def opened(url: str, node: str, *, lease: float = 60.0) -> Iterator[Outbox]:
    """Open a service's outbox."""
    database = Database(url, lock_timeout=PATIENCE)
    outbox = Outbox(database, host="ci.example.com", node=node, limits=OutboxLimits(lease=lease))
    yield outbox
    outbox.close()
    database.close()


def accept(
    outbox: Outbox, report: Report = REPORT, *, key: str | None = None, hold: bool = False
) -> QueuedReport:
    return outbox.accept(report, PEOPLE, owner="ci", key=key, hold=hold).result()[0]


def taken(outbox: Outbox) -> QueuedReport:
    [entry] = outbox.claim()
    return entry


def lose_reply(outbox: Outbox, entry: QueuedReport, *, next_attempt_at: float) -> str:
    """End an attempt without Postfix' reply to the mail, and return the report's state."""
    return outbox.finish_attempt(
        entry,
        state="queued",
        note="lost",
        pending_recipients=entry.pending_recipients,
        next_attempt_at=next_attempt_at,
        unconfirmed=True,
    )


def accept_in_group(
    outbox: Outbox, number: int, *, group: str = "g", wait: float = -1.0
) -> QueuedReport:
    """Accept a report that is over a rate limit."""
    over = DigestGroup(group, time.time() + wait, "job=1/hour")
    accepted = outbox.accept(other(number), PEOPLE, owner="ci", hold=True, digest_group=over)
    entry, is_new = accepted.result()
    assert is_new
    return entry
