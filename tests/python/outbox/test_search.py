"""search.py: finding reports by what people know of them, and counting them."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from pyservice.addresses import Mailbox
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.retention import sweep
from pyservice.outbox.search import Filter, mail_subject
from pyservice.outbox.states import WAITING
from pyservice.outbox.tables import PARTS
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from tests.builders.outbox import REPORT, accept_in_group, opened, taken


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """A service's, in either kind of database."""
    with opened(database_url, "node1") as one:
        yield one


@pytest.fixture
def admin(outbox: Outbox) -> OutboxAdmin:
    """The same outbox, for people."""
    return OutboxAdmin(outbox._database, "a test")


def report(job: str, number: int = 1, subject: str | None = None) -> Report:
    """A report of another job."""
    build = REPORT.build.model_copy(
        update={"job": job, "number": number, "full_display_name": f"{job} » #{number}"}
    )
    mail = REPORT.mail.model_copy(update={"subject": subject})
    return REPORT.model_copy(update={"build": build, "mail": mail})


def accept(outbox: Outbox, one: Report, *to: str, owner: str = "ci") -> QueuedReport:
    """Accept a report for these addresses, and let a service send it."""
    people = Recipients(to=tuple(Mailbox("", address) for address in to))
    return outbox.accept(one, people, owner=owner, hold=True).result()[0]


def end(outbox: Outbox, entry: QueuedReport, state: str, **more: str) -> None:
    """End an attempt."""
    outbox.start_attempt(entry, b"mail")
    outbox.finish_attempt(entry, state=state, note="so it was", **more)  # type: ignore[arg-type]


def test_what_no_database_can_have_is_harmless(outbox: Outbox, admin: OutboxAdmin) -> None:
    """PostgreSQL refuses a text with a NUL, and a caller may write one anywhere."""
    older, newer = accept(outbox, report("a"), "a@x.org"), accept(outbox, report("b"), "a@x.org")
    assert [one.id for one in admin.page(Filter(), 9, f"{newer.id}\0")] == [older.id]
    assert outbox.get(f"{older.id}\0", owner=None)[1]


def test_a_report_is_found_by_what_people_know(outbox: Outbox, admin: OutboxAdmin) -> None:
    """Job, recipient, subject, IDs, in any case of letters; special characters mean themselves."""
    nightly = accept(outbox, report("team-a/Nightly", 41, "Überblick 100%"), "Ada@Example.com")
    end(outbox, nightly, "accepted", queue_id="4QabcD")
    other = accept(outbox, report("team-b/x_y"), "bob@example.com", "c@x.org")

    def found(text: str = "", recipient: str = "") -> set[str]:
        wanted = Filter(text=text, recipient=recipient)
        page = admin.page(wanted, 9)
        assert sum(admin.counts(wanted).values()) == len(page)
        return {one.id for one in page}

    assert found() == {nightly.id, other.id}
    for text in ("nightly", "TEAM-A/nightly #41", "» #41", "überblick", "100%", "ada@example"):
        assert found(text) == {nightly.id}, text
    for text in (
        nightly.id,
        nightly.id[:8],
        nightly.message_id,
        nightly.message_id[1:-1],
        "4QabcD",
    ):
        assert found(text) == {nightly.id}, text
    assert found(recipient="C@x.ORG") == found("x_y") == {other.id}
    for text in ("%", "_y team", "10_%", "4Qabc", "nobody\0", "'; DROP TABLE reports"):
        assert found(text) <= {nightly.id}, text
    assert found("xzy") == found("x%y") == found("\0nobody") == set()


def test_filters_add_up(outbox: Outbox, admin: OutboxAdmin) -> None:
    """A token's bounds hold whatever a person wants to see, in the list and in the counts."""
    one = accept(outbox, report("team-a/one"), "ada@example.com")
    end(outbox, one, "failed")
    accept(outbox, report("team-a/two"), "ada@example.com")
    accept(outbox, report("team-b/one"), "ada@example.com")
    accept(outbox, report("team-a/three"), "ada@example.com", owner="other")
    bounds = {"owner": "ci", "jobs": ("team-a",)}

    def counts(**wanted: object) -> dict[str, int]:
        chosen = Filter(**bounds | wanted)  # type: ignore[arg-type]
        assert len(admin.page(chosen, 9)) == sum(admin.counts(chosen).values())
        return {str(state): many for state, many in admin.counts(chosen).items()}

    assert counts() == counts(recipient="ada@example.com") == {"failed": 1, "received": 1}
    assert counts(text="one") == counts(states=("failed", "bounced")) == {"failed": 1}
    assert counts(states=WAITING) == counts(job="team-a/two/") == {"received": 1}
    assert counts(job="team-b") == counts(text="team-b") == counts(newer_than=-60) == {}
    assert counts(newer_than=60, older_than=0) == {"failed": 1, "received": 1}


def test_a_mail_is_found_by_its_subject(outbox: Outbox, admin: OutboxAdmin) -> None:
    """As people see it in their mailbox, whether an attempt or a dry run made the mail."""
    sent, dry = (accept(outbox, report("a", number), "ada@example.com") for number in (1, 2))
    subject = b"=?utf-8?b?w5xiZXIgMTAwJQ==?=\r\n =?utf-8?q?_of_a?="
    mail = b"X: y\r\nSubject: " + subject + b"\r\nTo: x\r\n\r\nSubject: no"
    outbox.start_attempt(sent, mail)
    outbox.finish_attempt(dry, state="skipped", note="", mail=mail.replace(b"_of_a", b"_of_b"))

    def found(text: str) -> list[str]:
        return [one.id for one in admin.page(Filter(text=text), 9)]

    assert found("ÜBER 100% of") == [dry.id, sent.id]
    assert found("100% of a") == [sent.id]
    assert found("no") == found("to: x") == found("utf-8") == []


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"Subject: Plain \r\nTo: x", "plain"),
        (b"To: x\r\nsubject: no", ""),
        (b"Subject: =?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"Subject: =?none?q?a?=", "=?none?q?a?="),
        (b"Subject: \xff", "\ufffd"),
        (b"", ""),
    ],
)
def test_subjects(head: bytes, subject: str) -> None:
    """What is no mail of the service's is harmless: the start of a newer one reads all of them."""
    assert mail_subject(head) == subject


def test_a_digest_s_subject_is_for_who_sees_all(outbox: Outbox, admin: OutboxAdmin) -> None:
    """It names one of its jobs; once the digest is cancelled, nobody finds it by that."""
    first, second = accept_in_group(outbox, 1), accept_in_group(outbox, 2)
    first = taken(outbox)
    mail = b"Subject: 2 builds: team-b/payroll\r\n\r\n"
    outbox.groups.store_digest(first, mail, [second.id])

    def found(**bounds: Any) -> list[str]:
        return [one.id for one in admin.page(Filter(text="payroll", **bounds), 9)]

    assert found() == [first.id]
    assert found(owner="ci") == found(jobs=("shop",)) == []
    outbox.release(first)
    admin.cancel(first.id)
    assert found() == []


@pytest.mark.parametrize(
    "wanted", [Filter(owner="ci", text="ada"), Filter(recipient="ada", states=("failed",))]
)
def test_no_large_row_is_read_to_search(outbox: Outbox, wanted: Filter) -> None:
    """Which reports are shown is decided by an index and by short rows."""
    if outbox._database.is_shared:
        pytest.skip("PostgreSQL keeps what is large elsewhere")
    statements: list[tuple[str, tuple[object, ...]]] = []
    database = outbox._database

    def note(*arguments: object) -> None:
        statements.append((str(arguments[2]), arguments[3]))  # type: ignore[arg-type]

    sa.event.listen(database._engine, "before_cursor_execute", note)
    admin = OutboxAdmin(database, "a test")
    admin.page(wanted, 9)
    admin.counts(wanted)
    queries = [one for one in statements if "search_texts" in one[0]]
    assert len(queries) == 2
    with database.read() as read:
        for query, parameters in queries:
            plan = str(read.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters).all())
            assert "SCAN reports USING COVERING INDEX reports_created_at" in plan, plan


def test_nothing_is_left_of_a_removed_report(outbox: Outbox) -> None:
    """Retention removes what belongs to it in every table."""
    entry = accept(outbox, REPORT, "ada@example.com")
    end(outbox, entry, "accepted")
    assert sweep(outbox._database, entry.created_at + 3600, lambda _: None) == 1
    with outbox._database.read() as read:
        for table in PARTS:
            assert read.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
