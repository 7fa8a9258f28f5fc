"""When the outbox is read for reports that are due."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pyservice.delivery.backlog import Backlog
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from tests.builders.outbox import accept, lose_reply, opened, other, taken


class Reads:
    """Counts the queries of an outbox, and fails them on request."""

    def __init__(self, outbox: Outbox) -> None:
        self.count, self.fails = 0, False
        sa.event.listen(outbox._database._engine, "before_cursor_execute", self._look)

    def _look(self, *arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT"):
            self.count += 1
            if self.fails:
                raise sa.exc.OperationalError("SELECT", {}, OSError("disk I/O error"))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with opened(f"sqlite:///{tmp_path}/outbox.db", "node1") as one:
        yield one


@pytest.fixture
def reads(outbox: Outbox) -> Reads:
    return Reads(outbox)


def backlog(outbox: Outbox, *, idle: float = 60.0) -> Backlog:
    """One whose outbox has been read: there was nothing in it."""
    one = Backlog(outbox, claims=4, idle=idle)
    assert one.claim() is None
    return one


def next_of(held: Backlog) -> QueuedReport:
    """Wait as a thread of the service does."""
    while (claimed := held.claim()) is None:
        held.wait()
    return claimed


def test_held_reports_need_no_read(outbox: Outbox, reads: Reads) -> None:
    """A report that is handed over in memory costs no query, nor does the look for the next one."""
    held = backlog(outbox)
    entries = [accept(outbox, other(number), hold=True) for number in (1, 2, 3)]
    before = reads.count
    held.hold(*entries)
    assert [held.claim() for _ in range(4)] == [*entries, None]
    assert reads.count == before


def test_news_are_read_at_once(outbox: Outbox, reads: Reads) -> None:
    """All that is due is found after `wake`, even if it is more than is claimed at once."""
    held = backlog(outbox)
    ids = {accept(outbox, other(number)).id for number in range(1, 10)}
    assert held.claim() is None
    held.wake()
    assert held.wait()
    found = {report.id for _ in ids if (report := held.claim())}
    assert found == ids
    assert held.claim() is None


def test_a_later_attempt_is_made_when_it_is_due(outbox: Outbox) -> None:
    """The next read is when the next report is due, long before the outbox is read again anyway."""
    held = Backlog(outbox, claims=4, idle=600.0)
    accept(outbox)
    entry = taken(outbox)
    due = time.time() + 0.3
    lose_reply(outbox, entry, next_attempt_at=due)
    assert next_of(held).id == entry.id
    assert due <= time.time() < due + 300


def test_changes_by_other_programs_are_found(outbox: Outbox) -> None:
    """The outbox is read now and then, though nothing says that it has changed."""
    held = backlog(outbox, idle=0.1)
    entry = accept(outbox)
    assert next_of(held).id == entry.id


def test_a_read_that_fails_is_made_again(outbox: Outbox, reads: Reads) -> None:
    """After an error the outbox is read by the next thread, and not after the idle time."""
    held = backlog(outbox)
    entry = accept(outbox)
    held.wake()
    reads.fails = True
    with pytest.raises(sa.exc.OperationalError):
        held.claim()
    reads.fails = False
    assert (claimed := held.claim()) is not None
    assert claimed.id == entry.id
