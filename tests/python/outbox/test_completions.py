"""completions.py: a completed report is committed before its mail, and a crash loses neither."""

import time

import pytest
import sqlalchemy as sa

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.errors import LostLeaseError
from pyservice.outbox.database import Database
from pyservice.outbox.tables import reports
from pyservice.policy.recipients import Recipients
from tests.builders.outbox import PEOPLE, REPORT, accept, accept_in_group, opened, taken

BARE = REPORT.model_copy(update={"stages": [], "tests": None, "log": []})
WHOLE = samples.load("2-failure").model_copy(update={"complete": True})
CY = Recipients(to=(Mailbox("", "cy@example.com"),))


def test_stored_before_a_crash(database_url: str) -> None:
    """After a crash the report is there as it was completed, with its recipients and Message-ID."""
    with opened(database_url, "one") as outbox:
        entry = accept(outbox, BARE, hold=True)
        stored = outbox.completions.store(entry, WHOLE, CY, "completed by Jenkins")
        assert (stored.report, stored.pending_recipients) == (WHOLE, ("cy@example.com",))
        outbox.release(stored)
    with opened(database_url, "one") as outbox:
        again = taken(outbox)
        history = outbox.get(again.id, owner="ci")[1]
    assert (again.report, again.recipients) == (WHOLE, CY)
    assert (again.message_id, again.report_hash) == (entry.message_id, entry.report_hash)
    assert [event.note for event in history] == ["", "completed by Jenkins"]


def test_completed_twice(database_url: str) -> None:
    """A completion that a crash interrupted, or that runs again, leaves the row as one does."""
    with opened(database_url, "one") as outbox:
        entry = accept(outbox, BARE, hold=True)
        once = outbox.completions.store(entry, WHOLE, PEOPLE, "a")
        outbox.completions.store(once, WHOLE, PEOPLE, "b")
        outbox.start_attempt(once, b"mail")
    database = Database(database_url)
    with database.read() as read:
        row = read.execute(sa.select(reports)).mappings().one()
    database.close()
    assert row["size_bytes"] == len(row["report"].encode()) + len(b"mail")


def test_another_service_has_it(database_url: str) -> None:
    """A service that has lost its lease changes nothing."""
    with opened(database_url, "one") as outbox:
        entry = accept(outbox, BARE, hold=True)
        outbox.release(entry)
        with pytest.raises(LostLeaseError):
            outbox.completions.store(entry, WHOLE, CY, "a")
        with pytest.raises(LostLeaseError):
            outbox.completions.refuse(entry, WHOLE, "no")
        with pytest.raises(LostLeaseError):
            outbox.completions.postpone(entry, time.time() + 60, "later")
        assert taken(outbox).report == BARE


def test_refused(database_url: str) -> None:
    """A report that reaches nobody ends as skipped, and is not claimed again."""
    with opened(database_url, "one") as outbox:
        entry = accept(outbox, BARE, hold=True)
        outbox.completions.refuse(entry, WHOLE, "nobody gets a mail")
        assert outbox.claim() == []
        ended, history = outbox.get(entry.id, owner="ci")
    assert (ended.state, ended.error, ended.next_attempt_at) == (
        "skipped",
        "nobody gets a mail",
        None,
    )
    assert ended.has_nobody
    assert history[-1].note == "nobody gets a mail"


def test_postponed(database_url: str) -> None:
    """A report that waits for Jenkins is due later, and its history says so once."""
    with opened(database_url, "one") as outbox:
        entry = accept(outbox, BARE, hold=True)
        outbox.completions.postpone(entry, time.time() + 60, "later")
        assert outbox.claim() == []
        assert (outbox.next_due() or 0) > time.time() + 50
        waiting, history = outbox.get(entry.id, owner="ci")
    assert (waiting.state, waiting.error) == ("received", "later")
    assert [event.note for event in history] == ["", "later"]


def test_one_that_waits_for_a_digest(database_url: str) -> None:
    """It is completed while no service has locked it, and goes on waiting."""
    with opened(database_url, "one") as outbox:
        accept_in_group(outbox, 1)
        waiting = accept_in_group(outbox, 2)
        first = taken(outbox)
        ids = outbox.groups.waiting_ids(first)
        assert [first.id, *ids] == [first.id, waiting.id]
        outbox.completions.store_waiting(waiting, WHOLE, "completed by Jenkins")
        stored, history = outbox.get(waiting.id, owner="ci")
        assert (stored.report, stored.digest_group) == (WHOLE, "g")
        assert stored.recipients == waiting.recipients
        assert history[-1].note == "completed by Jenkins"
        with pytest.raises(LostLeaseError):
            outbox.completions.store_waiting(first, WHOLE, "it is locked")
        outbox.groups.store_digest(first, b"mail", ids)
        with pytest.raises(LostLeaseError):
            outbox.completions.store_waiting(waiting, BARE, "it is in a digest")
