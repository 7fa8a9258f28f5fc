"""admin.py and export.py: how people list, export and change reports."""

import base64
import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pyservice.errors import ConflictError, InvalidError, NotFoundError
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.export import export_report, export_reports
from pyservice.outbox.queue import Outbox
from pyservice.outbox.search import Filter
from pyservice.outbox.states import ENDED, RECEIPTS, WAITING, State
from pyservice.outbox.tables import reports
from pyservice.report.schema import Report
from tests.builders.outbox import PEOPLE, REPORT, accept, opened, other, taken
from tests.builders.patience import HANG


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """A service's, in either kind of database."""
    with opened(database_url, "node1") as one:
        yield one


@pytest.fixture
def guest(outbox: Outbox, database_url: str) -> Iterator[Database]:
    """The same database beside it."""
    database = Database.guest(database_url)
    assert database is not None
    yield database
    database.close()


@pytest.fixture
def admin(guest: Database) -> OutboxAdmin:
    """The guest's."""
    return OutboxAdmin(guest, "a test")


def settle(outbox: Outbox, report: Report = REPORT, *, state: str, **settlement: object) -> str:
    """A report that was sent and came to something; its ID."""
    entry = accept(outbox, report, hold=True)
    outbox.start_attempt(entry, b"From: x\r\n\r\nbytes\xff")
    outbox.finish_attempt(entry, state=state, note="so it was", **settlement)  # type: ignore[arg-type]
    return entry.id


def job(name: str) -> Report:
    return REPORT.model_copy(update={"build": REPORT.build.model_copy(update={"job": name})})


def test_pages(outbox: Outbox, admin: OutboxAdmin) -> None:
    """The newest come first, each once, page after page."""
    ids = [accept(outbox, other(number)).id for number in range(1, 8)]
    seen: list[str] = []
    last = None
    while page := admin.page(Filter(), 3, last):
        assert len(page) <= 3
        seen += [one.id for one in page]
        last = seen[-1]
    assert seen == ids[::-1]
    [first] = admin.page(Filter(), 1)
    assert (first.job, first.number, first.recipients, first.state) == (
        "shop/checkout",
        7,
        2,
        "received",
    )
    with pytest.raises(InvalidError):
        admin.page(Filter(), 3, "none\0")


def test_filters(outbox: Outbox, admin: OutboxAdmin) -> None:
    """By state, by owner, by age, by job; a folder's name stands for all that is in it."""
    failed = settle(outbox, other(3), state="failed")
    lib = accept(outbox, job("lib_a")).id
    deep = accept(outbox, job("lib_a/é'x/main")).id
    accept(outbox, job("libXa/main"))

    def listed(wanted: Filter) -> set[str]:
        return {one.id for one in admin.page(wanted, 9)}

    assert listed(Filter(states=("failed",))) == {failed}
    assert listed(Filter(jobs=("lib_a",))) == {lib, deep}
    assert listed(Filter(jobs=("lib_a/é'x/main",))) == {deep}
    assert listed(Filter(jobs=("lib",))) == set()
    assert len(listed(Filter(owner="ci", states=("received",)))) == 3
    assert listed(Filter(owner="another")) == set()
    assert listed(Filter(older_than=60)) == set()
    assert len(listed(Filter(older_than=0))) == 4


@pytest.mark.parametrize(
    "wanted", [Filter(owner="ci", states=("failed",)), Filter(owner="ci", jobs=("shop", "lib"))]
)
def test_no_row_is_read_that_is_not_shown(tmp_path: Path, wanted: Filter) -> None:
    """An index finds an owner's reports in one state or job: a row is as large as its mail."""
    statements: list[tuple[str, tuple[object, ...]]] = []
    with opened(f"sqlite:///{tmp_path}/outbox.db", "node1") as outbox:
        database = outbox._database

        def note(*arguments: Any) -> None:
            statements.append((arguments[2], arguments[3]))

        sa.event.listen(database._engine, "before_cursor_execute", note)
        OutboxAdmin(database, "a test").page(wanted, 9)
        (query, parameters), _rows = [one for one in statements if one[0].startswith("SELECT")]
        with database.read() as read:
            plan = str(read.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters).all())
    assert "USING COVERING INDEX reports_created_at" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("wanted", [Filter(), Filter(owner="ci"), Filter(jobs=("shop",))])
def test_a_list_costs_the_same_whatever_the_reports_have(database_url: str, wanted: Filter) -> None:
    """Reports and mails of a megabyte are not read for it."""

    def seconds(admin: OutboxAdmin) -> float:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            assert len(admin.page(wanted, 50)) == 30
            took.append(time.perf_counter() - began)
        return min(took)

    with opened(database_url, "node1") as outbox:
        admin = OutboxAdmin(outbox._database, "a test")
        for number in range(1, 31):
            accept(outbox, other(number))
        small = seconds(admin)
        padded = json.dumps(REPORT.model_dump(mode="json") | {"padding": "x" * 1024**2})
        large = reports.update().values(report=padded, mail=b"x" * 1024**2, error="e" * 2000)
        outbox._database.write(lambda write: write.execute(large))
        # Reading all of them takes a hundred times as long, however often it is measured.
        assert any(seconds(admin) < 30 * small for _ in range(10))
        assert {len(one.error or "") for one in admin.page(wanted, 50)} == {1000}


def test_lists_leave_connections_to_delivery(database_url: str) -> None:
    """While many callers wait for their lists, reports are accepted, claimed and sent."""
    blocked, go_on = threading.Semaphore(0), threading.Event()

    def block(*arguments: Any) -> None:
        if "ORDER BY reports.created_at DESC" in arguments[2]:
            blocked.release()
            assert go_on.wait(HANG)

    with opened(database_url, "node1") as outbox:
        database = outbox._database
        admin = OutboxAdmin(database, "a test")
        sa.event.listen(database._engine, "before_cursor_execute", block)
        callers = [
            threading.Thread(target=admin.page, args=(Filter(), 9), daemon=True) for _ in range(40)
        ]
        for thread in callers:
            thread.start()
        blocked.acquire()
        try:  # a thread that gets no connection raises an error after SQLAlchemy's 30 s
            accept(outbox)
            entry = taken(outbox)
            outbox.start_attempt(entry, b"bytes")
            outbox.finish_attempt(entry, state="accepted", note="250 ok")
        finally:
            go_on.set()
        for thread in callers:
            thread.join()


def test_a_job_is_compared_byte_by_byte(outbox: Outbox, admin: OutboxAdmin) -> None:
    """Upper and lower case differ, nothing is a wildcard, and a folder's name is a whole name."""
    ids = {
        name: accept(outbox, job(name)).id
        for name in (
            *("team", "team/x", "team/x/y", "TEAM/x", "Team", "teams/x", "team0", "team.x/y"),
            *("te_m/x", "teXm/x", "te%m/x", "é/x", "É/x", "e/x"),
        )
    }
    for wanted, expected in (
        ("team", {"team", "team/x", "team/x/y"}),
        ("TEAM", {"TEAM/x"}),
        ("te_m", {"te_m/x"}),
        ("te%m", {"te%m/x"}),
        ("é", {"é/x"}),
        ("t", set()),
    ):
        listed = {one.id for one in admin.page(Filter(jobs=(wanted,)), 50)}
        assert listed == {ids[name] for name in expected}, wanted


def test_an_id_may_be_shortened(outbox: Outbox, admin: OutboxAdmin) -> None:
    """To what is one report's only."""
    ids = [accept(outbox, other(number)).id for number in range(1, 30)]
    assert admin.find(ids[0]) == ids[0]
    assert admin.find(ids[0][:13]) == ids[0]
    with pytest.raises(ConflictError):
        admin.find("")
    with pytest.raises(NotFoundError):
        admin.find("%")


def test_what_waits_is_tried_at_once(outbox: Outbox, admin: OutboxAdmin) -> None:
    """However long its next try was off."""
    entry_id = settle(
        outbox, state="queued", pending_recipients=("b@x.org",), next_attempt_at=time.time() + 900
    )
    assert outbox.claim() == []
    assert admin.retry(entry_id).state == "queued"
    entry = taken(outbox)
    assert (entry.id, entry.pending_recipients) == (entry_id, ("b@x.org",))
    note = outbox.get(entry_id, owner="ci")[1][-1].note
    assert note == "to be tried at once, says a test"


def test_what_failed_goes_to_all(outbox: Outbox, admin: OutboxAdmin) -> None:
    """It is sent with the same bytes and Message-ID to all recipients, as none has it."""
    entry_id = settle(outbox, state="failed", error="550 no")
    assert admin.failed() == [entry_id]
    assert admin.retry(entry_id).state == "queued"
    assert admin.failed() == []
    entry = taken(outbox)
    assert entry.pending_recipients == PEOPLE.addresses
    assert entry.mail == b"From: x\r\n\r\nbytes\xff"
    outbox.start_attempt(entry, entry.mail)
    outbox.finish_attempt(entry, state="accepted", note="250 ok")
    assert outbox.get(entry_id, owner="ci")[0].state == "accepted"


def test_what_could_not_be_rendered_is_rendered_anew(outbox: Outbox, admin: OutboxAdmin) -> None:
    """It has no bytes yet."""
    entry = accept(outbox, hold=True)
    outbox.finish_attempt(entry, state="failed", note="It could not be rendered")
    assert admin.retry(entry.id).state == "received"
    assert taken(outbox).mail is None


def test_what_waits_is_cancelled(outbox: Outbox, admin: OutboxAdmin) -> None:
    """It has ended, is never sent, and the same report again is still that one."""
    entry_id = accept(outbox).id
    assert admin.cancel(entry_id).state == "cancelled"
    assert outbox.claim() == []
    assert admin.waiting() == 0
    entry, history = outbox.get(entry_id, owner="ci")
    assert (entry.state, entry.next_attempt_at) == ("cancelled", None)
    assert (history[-1].state, history[-1].note) == ("cancelled", "says a test")
    assert outbox.accept(REPORT, PEOPLE, owner="ci").result() == (entry, False)


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_what_is_held_is_left_alone(outbox: Outbox, admin: OutboxAdmin, action: str) -> None:
    """It is being sent, and the error says so."""
    accept(outbox)
    entry = taken(outbox)
    with pytest.raises(ConflictError, match="being sent"):
        getattr(admin, action)(entry.id)
    assert admin.page(Filter(), 1)[0].is_locked
    outbox.start_attempt(entry, b"bytes")
    outbox.finish_attempt(entry, state="accepted", note="250 ok")
    assert outbox.get(entry.id, owner="ci")[0].state == "accepted"


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_what_has_ended_stays_so(outbox: Outbox, admin: OutboxAdmin, action: str) -> None:
    """Postfix has it, or it was cancelled."""
    accepted = settle(outbox, state="accepted")
    with pytest.raises(ConflictError, match="Postfix has it"):
        getattr(admin, action)(accepted)
    cancelled = accept(outbox, other(3)).id
    admin.cancel(cancelled)
    with pytest.raises(ConflictError, match="cancelled"):
        getattr(admin, action)(cancelled)
    assert outbox.claim() == []


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_whose_it_is(outbox: Outbox, admin: OutboxAdmin, action: str) -> None:
    """Another token's report is not there."""
    entry_id = accept(outbox).id
    for wrong, owner in ((entry_id, "another"), ("none", "ci"), ("no\0ne", "ci")):
        with pytest.raises(NotFoundError):
            getattr(admin, action)(wrong, owner=owner)
    assert getattr(admin, action)(entry_id, owner="ci").id == entry_id


def test_a_worker_and_a_person_at_once(outbox: Outbox, admin: OutboxAdmin) -> None:
    """What is cancelled while it is being taken is either sent or cancelled, never both."""
    ids = [accept(outbox, other(number)).id for number in range(1, 61)]
    sent: set[str] = set()
    refused: set[str] = set()

    def send() -> None:
        while entries := outbox.claim(2):
            for entry in entries:
                outbox.start_attempt(entry, b"bytes")
                sent.add(entry.id)
                outbox.finish_attempt(entry, state="accepted", note="250 ok")

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for entry_id in reversed(ids):
        try:
            admin.cancel(entry_id)
        except ConflictError:
            refused.add(entry_id)
    for thread in threads:
        thread.join()
    assert sent == refused
    assert {one.state for one in admin.page(Filter(), 99)} <= {"accepted", "cancelled"}


def test_purge(outbox: Outbox, admin: OutboxAdmin, guest: Database) -> None:
    """Ended reports are removed with all that belongs to them, in batches; waiting ones stay."""
    waits = accept(outbox).id
    for number in range(3, 8):
        settle(outbox, other(number), state="accepted")
    assert admin.ended_before(1) == admin.purge(1) == 0
    assert admin.ended_before(0) == 5
    assert admin.purge(0, batch_size=2, pause=0.0) == 5
    assert [one.id for one in admin.page(Filter(), 9)] == [waits]
    with guest.read() as read:
        ids = read.execute(sa.text("SELECT report_id FROM events")).scalars().all()
    assert ids == [waits]
    assert outbox.accept(other(3), PEOPLE, owner="ci").result()[1]  # its key is forgotten


def test_an_exported_report(outbox: Outbox, guest: Database) -> None:
    """It has all that is known of it, as JSON."""
    entry_id = settle(outbox, state="failed", error="550 no")
    report = json.loads(json.dumps(export_report(guest, entry_id)))
    assert set(report) == {*reports.c.keys(), "history", "receipts", "dialogues"}
    assert base64.b64decode(report["mail"]) == b"From: x\r\n\r\nbytes\xff"
    assert report["report"]["build"]["job"] == "shop/checkout"
    assert [line["state"] for line in report["history"]] == [
        "received",
        "queued",
        "sending",
        "failed",
    ]
    assert report["ended_at"].endswith("+00:00")
    with pytest.raises(NotFoundError):
        export_report(guest, "none")


def test_an_export_has_all(outbox: Outbox, guest: Database) -> None:
    """Each report is exported once, with its own history."""
    ids = {accept(outbox, other(number)).id for number in range(1, 9)}
    exported = list(export_reports(guest, page_size=3))
    assert len(exported) == len(ids)
    assert {report["id"] for report in exported} == ids
    assert all(len(report["history"]) == 1 for report in exported)


def test_an_export_holds_few_reports_in_memory(tmp_path: Path) -> None:
    """However many large ones there are."""

    def peak(count: int) -> int:
        with opened(f"sqlite:///{tmp_path}/{count}.db", "node1") as outbox:
            for number in range(1, count + 1):
                entry = accept(outbox, other(number), hold=True)
                outbox.start_attempt(entry, b"x" * 1024**2)
            tracemalloc.start()
            assert sum(1 for _ in export_reports(outbox._database)) == count
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return most

    assert peak(60) < 2 * peak(15)


def test_states_are_all_that_there_are() -> None:
    """The first wait, the last four have ended without Postfix."""
    states = tuple(State)
    assert states[0] == "received"
    assert states[-4:] == ("failed", "cancelled", "skipped", "digested")
    assert (*WAITING, *ENDED) == states
    assert RECEIPTS == ("relayed", "deferred", "bounced")
