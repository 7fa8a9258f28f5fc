"""groups.py: reports that wait for others end in one mail, all or none of them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.worker import DeliveryLimits, DeliveryWorker
from pyservice.errors import ConflictError, GroupChangedError, LostLeaseError
from pyservice.events import Events
from pyservice.mail.renderer import Renderer
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.groups import IS_CLAIMABLE, DigestGroups
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.retention import sweep
from pyservice.outbox.tables import reports
from pyservice.policy.rate_limits import DigestGroup
from pyservice.report.secrets import SecretMasker
from tests.builders.outbox import PEOPLE, accept, accept_in_group, opened, other, taken
from tests.python.conftest import PostfixStandIn, wait_for


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """An empty one, in either kind of database."""
    with opened(database_url, "node1") as one:
        yield one


def states(outbox: Outbox, *entries: QueuedReport) -> list[tuple[str, str | None]]:
    stored = [outbox.get(entry.id, owner="ci")[0] for entry in entries]
    return [(entry.state, entry.digest_id) for entry in stored]


def digested(outbox: Outbox) -> QueuedReport:
    """Take the first of a group, and let the others end in its mail."""
    first = taken(outbox)
    others = [one.id for one in outbox.groups.waiting_members(first)]
    return outbox.groups.store_digest(first, b"digest", others)


def test_it_waits_for_its_time(outbox: Outbox) -> None:
    """Whoever accepted it doesn't hold it, and the history says what it waits for."""
    entry = accept_in_group(outbox, 1, wait=60)
    assert outbox.claim() == []
    assert outbox.next_due() == entry.next_attempt_at
    stored, history = outbox.get(entry.id, owner="ci")
    assert (stored.state, stored.digest_group) == ("received", "g")
    assert history[-1].note == "over job=1/hour: it waits up to 60 s for others like it"


def test_the_same_report_again(outbox: Outbox) -> None:
    """A repeated call gets the first answer, and changes nothing, whatever its group."""
    entry = accept_in_group(outbox, 1)
    over = DigestGroup("other", 1.0, "job=1/hour")
    again, is_new = outbox.accept(other(1), PEOPLE, owner="ci", digest_group=over).result()
    assert (again, is_new) == (entry, False)
    plain = accept(outbox, other(2))
    again, is_new = outbox.accept(other(2), PEOPLE, owner="ci", digest_group=over).result()
    assert (again, is_new) == (plain, False)


def test_only_the_first_is_taken(outbox: Outbox) -> None:
    """Of each group one; the others wait even when they are due."""
    entries = [accept_in_group(outbox, n, group=f"g{n % 2}", wait=n - 100.0) for n in range(1, 9)]
    assert [entry.id for entry in outbox.claim(99)] == [entries[0].id, entries[1].id]
    assert outbox.claim(99) == []
    assert outbox.next_due() is None


def test_one_commit_ends_them_all(outbox: Outbox) -> None:
    """The others are digested, and name the report whose mail has them; it is like any mail."""
    entries = [accept_in_group(outbox, n, wait=n - 100.0) for n in range(1, 5)]
    plain = accept(outbox, other(9), hold=True)
    first = digested(outbox)
    assert states(outbox, *entries, plain) == [
        ("queued", first.id),
        *[("digested", first.id)] * 3,
        ("received", None),
    ]
    outbox.start_attempt(first, b"digest")
    outbox.finish_attempt(
        first,
        state="queued",
        note="451 later",
        pending_recipients=("a@x.org",),
        next_attempt_at=1.0,
    )
    again = taken(outbox)
    assert (again.mail, again.digest_id) == (b"digest", first.id)
    outbox.finish_attempt(again, state="accepted", note="250 ok")
    assert outbox.claim(9) == []
    history = outbox.get(entries[1].id, owner="ci")[1]
    assert (history[-1].state, history[-1].note) == ("digested", f"in the mail of {first.id}")


def test_who_comes_later_has_another_one(outbox: Outbox) -> None:
    """What joins the group while its digest is made waits for the next."""
    entries = [accept_in_group(outbox, n) for n in (1, 2)]
    first = taken(outbox)
    others = [one.id for one in outbox.groups.waiting_members(first)]
    late = accept_in_group(outbox, 3)
    outbox.groups.store_digest(first, b"digest", others)
    assert states(outbox, *entries)[1][0] == "digested"
    assert taken(outbox).id == late.id


def test_alone(outbox: Outbox) -> None:
    """A report that is alone in its group gets a mail of its own, and no later one joins it."""
    entry = accept_in_group(outbox, 1)
    first = taken(outbox)
    assert outbox.groups.waiting_members(first) == []
    left = outbox.groups.leave(first)
    assert left.digest_group is None
    later = accept_in_group(outbox, 2)
    assert taken(outbox).id == later.id
    outbox.start_attempt(left, b"bytes")
    outbox.finish_attempt(left, state="accepted", note="250 ok")
    assert states(outbox, entry) == [("accepted", None)]


def test_a_digest_has_a_maximum_of_members(outbox: Outbox) -> None:
    """Further members of the group get the next digest."""
    outbox.groups = DigestGroups(outbox._database, outbox._holder, max_members=4)
    entries = [accept_in_group(outbox, n, wait=n - 100.0) for n in range(1, 10)]
    made = [digested(outbox), digested(outbox)]
    assert [digest_id for _, digest_id in states(outbox, *entries)] == [
        *[made[0].id] * 4,
        *[made[1].id] * 4,
        None,
    ]


def test_one_is_cancelled_meanwhile(outbox: Outbox) -> None:
    """The digest that would show it isn't committed, and the next look is without it."""
    entries = [accept_in_group(outbox, n, wait=n - 100.0) for n in (1, 2, 3)]
    first = taken(outbox)
    others = [one.id for one in outbox.groups.waiting_members(first)]
    OutboxAdmin(outbox._database, "a test").cancel(entries[1].id)
    with pytest.raises(GroupChangedError):
        outbox.groups.store_digest(first, b"digest", others)
    assert outbox.get(first.id, owner="ci")[0].mail is None
    assert [one.id for one in outbox.groups.waiting_members(first)] == [entries[2].id]


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_the_first_one_leaves(outbox: Outbox, action: str) -> None:
    """Cancelled or sent by itself: the next one is the first."""
    entries = [accept_in_group(outbox, n, wait=n - 100.0) for n in (1, 2, 3)]
    getattr(OutboxAdmin(outbox._database, "a test"), action)(entries[0].id)
    claimed = {entry.id: entry for entry in outbox.claim(9)}
    alone = claimed.pop(entries[0].id, None)
    assert (alone is not None) == (action == "retry")
    assert alone is None or alone.digest_group is None
    assert list(claimed) == [entries[1].id]
    assert [one.id for one in outbox.groups.waiting_members(claimed[entries[1].id])] == [
        entries[2].id
    ]


def test_a_digest_is_cancelled(outbox: Outbox) -> None:
    """Its others wait again, for one without it."""
    entries = [accept_in_group(outbox, n, wait=n - 100.0) for n in (1, 2, 3)]
    first = digested(outbox)
    outbox.release(first)
    admin = OutboxAdmin(outbox._database, "a test")
    admin.cancel(first.id)
    again = digested(outbox)
    assert states(outbox, *entries) == [
        ("cancelled", first.id),
        ("queued" if again.id == entries[1].id else "digested", again.id),
        ("queued" if again.id == entries[2].id else "digested", again.id),
    ]
    assert set(again.pending_recipients) == set(PEOPLE.addresses)


def test_a_digest_that_somebody_has_is_cancelled(outbox: Outbox) -> None:
    """Its others stay: nobody gets their builds twice."""
    entries = [accept_in_group(outbox, n, wait=n - 100.0) for n in (1, 2)]
    first = digested(outbox)
    outbox.start_attempt(first, b"digest")
    outbox.finish_attempt(
        first,
        state="queued",
        note="",
        pending_recipients=("b@x.org",),
        next_attempt_at=9e9,
        accepted_by_postfix=True,
    )
    OutboxAdmin(outbox._database, "a test").cancel(first.id)
    assert states(outbox, *entries) == [("cancelled", first.id), ("digested", first.id)]


def test_a_digest_that_failed_is_tried_again(outbox: Outbox) -> None:
    """With the bytes that show all of them."""
    entries = [accept_in_group(outbox, n) for n in (1, 2)]
    first = digested(outbox)
    outbox.start_attempt(first, b"digest")
    outbox.finish_attempt(first, state="failed", note="550 no")
    admin = OutboxAdmin(outbox._database, "a test")
    admin.retry(first.id)
    again = taken(outbox)
    assert (again.id, again.mail, again.digest_id) == (first.id, b"digest", first.id)
    [member] = [entry for entry in entries if entry.id != first.id]
    with pytest.raises(ConflictError, match=f"Its build is in the mail of {first.id}"):
        admin.retry(member.id)


def test_retention(outbox: Outbox) -> None:
    """What is digested has ended, and goes by age like all that has."""
    for number in (1, 2, 3):
        accept_in_group(outbox, number)
    digested(outbox)
    assert sweep(outbox._database, time.time() + 1, lambda _: None) == 2


def test_neighbours(shared_url: str) -> None:
    """A group has members of both services; the service that claims the first has them all."""
    with opened(shared_url, "node1") as one, opened(shared_url, "node2") as two:
        entries = [accept_in_group(outbox, n) for n, outbox in enumerate((one, two, one, two), 1)]
        first = taken(one)
        assert two.claim(9) == []
        assert len(one.groups.waiting_members(first)) == 3
        one.close()  # its lease is not renewed any more, and runs out
        ran_out = reports.update().where(reports.c.id == first.id).values(locked_until=0.0)
        two._database.write(lambda write: write.execute(ran_out))
        claimed = two.claim(9)
        assert [entry.id for entry in claimed] == [first.id]
        with pytest.raises(LostLeaseError):
            one.groups.store_digest(first, b"digest", [])
        two.groups.store_digest(
            claimed[0], b"digest", [one.id for one in two.groups.waiting_members(claimed[0])]
        )
        assert {digest_id for _, digest_id in states(two, *entries)} == {first.id}


def test_many_services_at_once(shared_url: str) -> None:
    """Each report ends in one mail, made by any service."""
    with opened(shared_url, "node1") as one, opened(shared_url, "node2") as two:
        entries = [accept_in_group(one, n, group=f"g{n % 5}") for n in range(1, 61)]
        shown: list[str] = []

        def work(outbox: Outbox) -> None:
            while entries := outbox.claim(3):
                for entry in entries:
                    try:
                        others = [one.id for one in outbox.groups.waiting_members(entry)]
                        outbox.groups.store_digest(entry, b"digest", others)
                    except GroupChangedError:
                        outbox.release(entry)
                        continue
                    shown.extend([entry.id, *others])
                    outbox.finish_attempt(entry, state="accepted", note="250 ok")

        threads = [threading.Thread(target=work, args=(box,)) for box in (one, two) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(shown) == sorted(entry.id for entry in entries)


class Death(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("last", range(1, 5))
def test_a_crash_at_each_commit(
    database_url: str,
    postfix: PostfixStandIn,
    monkeypatch: pytest.MonkeyPatch,
    last: int,
    *,
    is_before: bool,
) -> None:
    """Its members wait, or are in the digest's bytes: each build is in one mail afterwards."""
    settings = Settings(
        database_url=database_url, smtp_port=postfix.port, sender="jenkins@ci.example.com"
    )
    with opened(database_url, "node1", lease=0.3) as outbox:
        ids = [accept_in_group(outbox, n).id for n in range(1, 8)]
        dying(outbox._database, last, is_before=is_before, monkeypatch=monkeypatch)
        worker = worker_of(outbox, settings)
        with suppress(Death):
            worker._deliver(outbox.claim(1)[0], worker._connections[0])  # it becomes a digest
            while (report := worker._backlog.claim()) is not None:
                worker._deliver(report, worker._connections[0])
        worker._connections[0].close()
    with opened(database_url, "node1", lease=0.3) as outbox:
        worker = worker_of(outbox, settings)
        worker.start()
        wait_for(lambda: all(ended(outbox, entry_id) for entry_id in ids))
        worker.stop()
        stored = [outbox.get(entry_id, owner="ci")[0] for entry_id in ids]
    [digest] = {entry.digest_id for entry in stored}
    assert sorted(entry.state for entry in stored) == ["accepted", *["digested"] * 6]
    if last < 4:  # before the reply to the dot nothing is doubled
        assert len(postfix.mails) == 1
    assert all(mail.content.count(b"#") >= 7 for mail in postfix.mails)
    assert digest in ids


def worker_of(outbox: Outbox, settings: Settings) -> DeliveryWorker:
    """One that sends what is in an outbox."""
    limits = DeliveryLimits(idle=0.2)
    return DeliveryWorker(
        outbox,
        Renderer(),
        LiveSettings(settings),
        Events(),
        limits,
        permissions_of=lambda _: None,
        masker=SecretMasker(),
    )


def ended(outbox: Outbox, entry_id: str) -> bool:
    return outbox.get(entry_id, owner="ci")[0].next_attempt_at is None


def dying(
    database: Database, last: int, *, is_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a process end before or after its so-many-th commit: it writes nothing any more."""
    submit, count, mine = database.submit, 0, threading.current_thread()
    nothing: Future[None] = Future()
    nothing.set_result(None)

    def counted(work: Any, item: Any, **options: bool) -> Future[Any]:
        nonlocal count
        if threading.current_thread() is not mine:  # it renews the leases
            return submit(work, item, **options) if count < last else nothing
        count += 1
        if count > last or (count == last and is_before):
            raise Death
        done = submit(work, item, **options)
        if count == last:
            done.result()
            raise Death
        return done

    monkeypatch.setattr(database, "submit", counted)


def test_what_waits_needs_no_look_at_the_table(outbox: Outbox) -> None:
    """An index without other rows finds the first report of a group."""
    if outbox._database.is_shared:
        return
    with outbox._database.read() as read:
        query = sa.select(reports.c.id).where(reports.c.next_attempt_at < 0, IS_CLAIMABLE)
        sql = query.compile(outbox._database._engine, compile_kwargs={"literal_binds": True})
        plan = read.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()
    assert any("reports_digest_group" in str(row) for row in plan), plan
