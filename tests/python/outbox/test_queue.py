"""queue.py: what is committed stays, and nothing is done twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pyservice.errors import ConflictError, LostLeaseError, NotFoundError
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.batch_writes import Change
from pyservice.outbox.database import Database
from pyservice.outbox.models import LogEvent, QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.tables import reports
from tests.builders.outbox import PEOPLE, REPORT, accept, lose_reply, opened, other, taken
from tests.python.conftest import wait_for


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """An empty one, in either kind of database."""
    with opened(database_url, "node1") as one:
        yield one


def test_an_entry_comes_back_as_it_was(outbox: Outbox) -> None:
    """The report, its recipients and the Message-ID are stored at acceptance."""
    entry, is_new = outbox.accept(REPORT, PEOPLE, owner="ci").result()
    assert is_new
    assert (entry.report, entry.recipients, entry.state) == (REPORT, PEOPLE, "received")
    assert entry.pending_recipients == ("ada@example.com", "b@x.org")
    assert entry.message_id == f"<notify-email.{entry.id}@ci.example.com>"
    assert outbox.get(entry.id, owner="ci")[0] == entry


def test_the_same_report_is_one_entry(outbox: Outbox) -> None:
    """A repeated call gets the first answer; a later duration makes no difference."""
    first = accept(outbox)
    later = REPORT.model_copy(
        update={"build": REPORT.build.model_copy(update={"duration_ms": 99_999})}
    )
    again, is_new = outbox.accept(later, PEOPLE, owner="ci").result()
    assert not is_new
    assert again.id == first.id


def test_another_report_is_another_entry(outbox: Outbox) -> None:
    """Two builds, two mails."""
    assert accept(outbox).id != accept(outbox, other(3)).id


def test_keys(outbox: Outbox) -> None:
    """A key stands for one content, and belongs to its token."""
    first = accept(outbox, key="k")
    assert accept(outbox, key="k").id == first.id
    assert accept(outbox, key="l").id != first.id
    assert accept(outbox).id != first.id
    with pytest.raises(ConflictError):
        accept(outbox, other(3), key="k")
    assert outbox.accept(other(3), PEOPLE, owner="another", key="k").result()[1]


def test_an_entry_is_its_owners(outbox: Outbox) -> None:
    """Another token's report is not there."""
    entry = accept(outbox)
    for entry_id, owner in ((entry.id, "another"), ("none", "ci")):
        with pytest.raises(NotFoundError):
            outbox.get(entry_id, owner=owner)


def test_what_is_taken_is_taken_once(outbox: Outbox) -> None:
    """Many threads share the entries without an overlap."""
    wanted = {accept(outbox, other(n)).id for n in range(1, 41)}
    claimed: list[str] = []

    def work() -> None:
        while entries := outbox.claim(3):
            claimed.extend(entry.id for entry in entries)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(wanted)
    assert outbox.next_due() is None


def test_released_entries_are_taken_again(outbox: Outbox) -> None:
    """Nothing is lost when an attempt could not even begin."""
    accept(outbox)
    entry = taken(outbox)
    assert outbox.claim() == []
    outbox.release(entry)
    assert taken(outbox) == entry


def test_what_is_held_at_acceptance_is_taken(outbox: Outbox) -> None:
    """It is the caller's to send, and goes back like the others."""
    entry = accept(outbox, hold=True)
    assert outbox.claim() == []
    outbox.release(entry)
    assert taken(outbox) == entry


@pytest.fixture
def neighbours(shared_url: str) -> Iterator[tuple[Outbox, Outbox]]:
    """Two services on one PostgreSQL."""
    with opened(shared_url, "node1") as one, opened(shared_url, "node2") as two:
        yield one, two


def test_neighbours_share_the_work(neighbours: tuple[Outbox, Outbox]) -> None:
    """Each claims what the other has not, and sees the other's reports."""
    one, two = neighbours
    first = accept(one)
    assert accept(two).id == first.id
    accept(two, other(3))
    ids = {taken(one).id, taken(two).id}
    assert len(ids) == 2
    assert one.claim() == two.claim() == []
    assert one.next_due() is two.next_due() is None
    assert two.get(first.id, owner="ci")[0].node == "node1"


def test_what_a_dead_neighbour_was_sending_may_be_doubled(
    neighbours: tuple[Outbox, Outbox],
) -> None:
    """Its lease runs out; if it lives after all, it gets a LostLeaseError."""
    one, two = neighbours
    accept(one)
    entry = taken(one)
    one.start_attempt(entry, b"bytes")
    has_run_out = reports.update().where(reports.c.id == entry.id).values(locked_until=0.0)
    two._database.write(lambda write: write.execute(has_run_out))
    assert one.claim() == []  # its own it keeps, whatever the clock says
    again = taken(two)
    assert (again.id, again.unconfirmed_attempts, again.mail) == (entry.id, 1, b"bytes")
    with pytest.raises(LostLeaseError):
        one.start_attempt(entry, b"bytes")
    one.finish_attempt(entry, state="accepted", note="250 ok")
    stored, history = two.get(entry.id, owner="ci")
    assert stored.state == "queued"
    assert [event.note for event in history][-2:] == [
        "the service stopped while sending: it may be doubled",
        "250 ok; another service has taken it meanwhile, so it may be doubled",
    ]


def test_what_is_lost_keeps_nothing_else_of_its_group_from_being_written(
    neighbours: tuple[Outbox, Outbox],
) -> None:
    """Each change of a batch has its own result, and none is written twice."""
    one, two = neighbours
    kept, lost = accept(one, hold=True), accept(one, other(3), hold=True)
    ran_out = reports.update().where(reports.c.id == lost.id).values(locked_until=0.0)
    two._database.write(lambda write: write.execute(ran_out))
    assert taken(two).id == lost.id
    values = {"state": "sending", "mail": b"bytes"}
    changes = [Change(entry, 1.0, values, (("sending", ""),)) for entry in (lost, kept)]
    assert one._database.write(lambda write: one._batches.start_attempts(write, changes)) == [
        False,
        True,
    ]
    ended = {"locked_by": None, "locked_until": None, "state": "accepted", "next_attempt_at": None}
    changes = [Change(entry, 2.0, ended, (("accepted", "250 ok"),)) for entry in (lost, kept)]
    one._database.write(lambda write: one._batches.finish_attempts(write, changes))
    with one._database.read() as read:
        size = read.execute(sa.select(reports.c.size_bytes).where(reports.c.id == kept.id)).scalar()
    assert size == len(REPORT.model_dump_json().encode()) + len(b"bytes")
    notes = [one.get(entry.id, owner="ci")[1][-1].note for entry in (kept, lost)]
    assert notes[0] == "250 ok"
    assert "another service has taken it" in notes[1]
    assert one.get(lost.id, owner="ci")[0].state == "received"


def test_a_lease_is_renewed(neighbours: tuple[Outbox, Outbox], shared_url: str) -> None:
    """A service that lives keeps what it has, however long Postfix takes."""
    two = neighbours[1]

    def locked_until() -> float:
        with two._database.read() as read:
            return float(read.execute(sa.select(reports.c.locked_until)).scalar_one())

    with opened(shared_url, "node3", lease=3.0) as one:
        accept(one)
        taken(one)
        first = locked_until()
        wait_for(lambda: locked_until() > first)
        assert two.claim() == []
    wait_for(lambda: len(two.claim()) == 1)


def test_the_way_of_a_mail(outbox: Outbox) -> None:
    """Each step is in the history, with its note."""
    accept(outbox)
    entry = taken(outbox)
    outbox.start_attempt(entry, b"bytes")
    outbox.finish_attempt(
        entry,
        state="queued",
        note="451 later",
        pending_recipients=("b@x.org",),
        next_attempt_at=1.0,
    )
    entry = taken(outbox)
    assert (entry.mail, entry.pending_recipients, entry.attempts) == (b"bytes", ("b@x.org",), 1)
    outbox.start_attempt(entry, b"bytes")
    outbox.finish_attempt(entry, state="accepted", note="250 ok", queue_id="4Q1")
    entry, history = outbox.get(entry.id, owner="ci")
    assert (entry.state, entry.queue_id, entry.next_attempt_at, entry.attempts) == (
        "accepted",
        "4Q1",
        None,
        2,
    )
    assert [(event.state, event.note) for event in history] == [
        ("received", ""),
        ("queued", "5 bytes"),
        ("sending", "attempt 1"),
        ("queued", "451 later"),
        ("sending", "attempt 2"),
        ("accepted", "250 ok"),
    ]
    assert outbox.claim() == []


def test_not_before_it_is_due(outbox: Outbox) -> None:
    """A retry waits for its time, which the worker can read."""
    accept(outbox)
    entry = taken(outbox)
    outbox.start_attempt(entry, b"x")
    soon = time.time() + 1080  # the longest delay that there is
    outbox.finish_attempt(
        entry, state="queued", note="later", pending_recipients=("a@x.org",), next_attempt_at=soon
    )
    assert outbox.claim() == []
    assert outbox.next_due() == soon


def test_a_clock_that_was_set_back_keeps_nothing_waiting(outbox: Outbox) -> None:
    """A report that is due later than any can be is due now."""
    accept(outbox)
    entry = taken(outbox)
    outbox.start_attempt(entry, b"x")
    far = time.time() + 6 * 3600
    outbox.finish_attempt(
        entry, state="queued", note="later", pending_recipients=("a@x.org",), next_attempt_at=far
    )
    assert taken(outbox).id == entry.id


CRASH = """
import os, signal, sys
from pathlib import Path
from pyservice import samples
from tests.builders.outbox import accept, other, taken
from pyservice.outbox.batch_writes import Change
from pyservice.outbox.database import Database
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.queue import Outbox
outbox = Outbox(Database("sqlite:///" + sys.argv[1]), host="x", node="n")
accept(outbox)
accept(outbox, other(3))
entry = taken(outbox)
outbox.start_attempt(entry, b"bytes")
print(entry.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_crash(tmp_path: Path) -> None:
    """Accepted reports are there; one that was being sent is sent again, as its history says."""
    file = tmp_path / "outbox.db"
    died = subprocess.run(
        [sys.executable, "-c", CRASH, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": "."},
    )
    assert died.returncode == -signal.SIGKILL
    with opened(f"sqlite:///{file}", "n") as outbox:
        entries = {entry.id: entry for entry in (taken(outbox), taken(outbox))}
        assert {entry.report.build.number for entry in entries.values()} == {2, 3}
        again = entries[died.stdout.strip()]
        assert (again.state, again.mail) == ("queued", b"bytes")
        assert "may be doubled" in outbox.get(again.id, owner="ci")[1][-1].note


def taken_after_a_lost_reply(outbox: Outbox) -> QueuedReport:
    """One whose first attempt Postfix may have taken, and whose second is due."""
    accept(outbox)
    entry = taken(outbox)
    outbox.start_attempt(entry, b"bytes")
    lose_reply(outbox, entry, next_attempt_at=1.0)
    return taken(outbox)


def tell_by_log(database_url: str, entry: QueuedReport, *, recipients: int) -> None:
    """Let Postfix' log say that it queued a mail for so many."""
    database = Database.guest(database_url)
    assert database is not None
    ReceiptStore(database, "node1").record([LogEvent(entry.id, "4Q1", recipients=recipients)], {})
    database.close()


def test_a_log_that_tells_late_is_heeded(outbox: Outbox, database_url: str) -> None:
    """A reply is lost, and only during the next attempt the log tells that Postfix has the mail."""
    entry = taken_after_a_lost_reply(outbox)
    outbox.start_attempt(entry, b"bytes")
    tell_by_log(database_url, entry, recipients=2)
    state = outbox.finish_attempt(
        entry,
        state="queued",
        note="451",
        pending_recipients=entry.pending_recipients,
        next_attempt_at=1.0,
    )
    assert state == "accepted"
    assert outbox.claim() == []
    assert outbox.get(entry.id, owner="ci")[0].queue_id == "4Q1"


def test_an_entry_of_an_earlier_time(neighbours: tuple[Outbox, Outbox]) -> None:
    """Who lost its lease and took the row again can't send it as it was at first."""
    one, two = neighbours
    accept(one)
    stale = taken(one)
    with one._database._engine.begin() as write:
        write.execute(reports.update().values(locked_until=0))
    entry = taken(two)
    two.start_attempt(entry, b"bytes")
    two.finish_attempt(
        entry,
        state="queued",
        note="451",
        pending_recipients=("b@x.org",),
        next_attempt_at=1.0,
        accepted_by_postfix=True,
    )
    fresh = taken(one)
    with pytest.raises(LostLeaseError):
        one.start_attempt(stale, b"bytes")
    one.start_attempt(fresh, b"bytes")
    assert fresh.pending_recipients == ("b@x.org",)


def test_what_was_purged_meanwhile(neighbours: tuple[Outbox, Outbox]) -> None:
    """Who settles late, when the report has ended elsewhere and is gone, is done."""
    one, two = neighbours
    late = accept(one, hold=True)
    one.start_attempt(late, b"bytes")
    with one._database._engine.begin() as write:
        write.execute(reports.update().values(locked_until=0))
    entry = taken(two)
    two.start_attempt(entry, b"bytes")
    two.finish_attempt(entry, state="accepted", note="250 ok")
    assert OutboxAdmin(two._database, "a test").purge(0) == 1
    one.finish_attempt(late, state="accepted", note="250 ok")
    with pytest.raises(NotFoundError):
        one.get(late.id, owner="ci")


def test_a_log_that_may_be_about_others(outbox: Outbox, database_url: str) -> None:
    """It tells of as many recipients as are left, but they need not be these: it is sent again."""
    accept(outbox)
    entry = taken(outbox)
    outbox.start_attempt(entry, b"bytes")
    left = entry.pending_recipients[:1]
    outbox.finish_attempt(
        entry,
        state="queued",
        note="lost",
        pending_recipients=left,
        next_attempt_at=1.0,
        unconfirmed=True,
    )
    tell_by_log(database_url, entry, recipients=1)
    assert taken(outbox).pending_recipients == left


def test_a_log_that_settles_what_is_held(outbox: Outbox, database_url: str) -> None:
    """Between being taken and being sent the log tells that Postfix has it: it is not sent."""
    entry = taken_after_a_lost_reply(outbox)
    tell_by_log(database_url, entry, recipients=2)
    with pytest.raises(LostLeaseError):
        outbox.start_attempt(entry, b"bytes")
