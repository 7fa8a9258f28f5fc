"""reading.py: a mail's neighbours, what waits for digests, and the digests that were made."""

from collections.abc import Iterator

import pytest

from pyservice.outbox.queue import Outbox
from pyservice.outbox.reading import OutboxReader
from pyservice.outbox.search import Filter
from pyservice.policy.rate_limits import DigestGroup
from pyservice.report.schema import Report
from tests.builders.outbox import PEOPLE, REPORT, opened, taken

ALL = Filter()


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """A service's, in either kind of database."""
    with opened(database_url, "node1") as one:
        yield one


@pytest.fixture
def reader(outbox: Outbox) -> OutboxReader:
    """The same outbox, for people."""
    return OutboxReader(outbox._database)


def report(job: str, number: int) -> Report:
    build = REPORT.build.model_copy(update={"job": job, "number": number})
    return REPORT.model_copy(update={"build": build})


def accept(outbox: Outbox, job: str, number: int, group: str, due: float, owner: str = "ci") -> str:
    """Accept a report that waits for a digest; return its ID."""
    over = DigestGroup(group, due, "job=1/hour")
    entry, _ = outbox.accept(
        report(job, number), PEOPLE, owner=owner, hold=True, digest_group=over
    ).result()
    return entry.id


def test_what_waits_for_a_digest(outbox: Outbox, reader: OutboxReader) -> None:
    """Each group with its jobs, builds and times, the next one first, within a reader's bounds."""
    accept(outbox, "team-b/x", 1, "later", 2e9)
    first = accept(outbox, "team-a/b", 1, "soon", 1.9e9)
    second = accept(outbox, "team-a/c", 2, "soon", 1.95e9)
    soon, later = reader.waiting_groups(ALL)
    assert (soon.jobs, soon.builds, soon.due, soon.owner) == (
        ("team-a/b", "team-a/c"),
        2,
        1.9e9,
        "ci",
    )
    assert soon.first_id in {first, second}
    assert (later.jobs, later.builds) == (("team-b/x",), 1)
    assert reader.waiting_groups(Filter(jobs=("team-b",))) == [later]
    assert reader.waiting_groups(Filter(owner="another")) == []


def test_digests_and_their_builds(outbox: Outbox, reader: OutboxReader) -> None:
    """A digest that was made waits for none any more, and each reader sees its own part."""
    accept(outbox, "team-a/x", 1, "g", 1.0)
    accept(outbox, "team-b/y", 2, "g", 2.0)
    first = taken(outbox)
    others = [member.id for member in outbox.groups.waiting_members(first)]
    outbox.groups.store_digest(first, b"digest", others)
    assert reader.waiting_groups(ALL) == []
    [digest] = reader.digests(ALL, 9)
    assert (digest.mail.id, digest.builds) == (first.id, 2)
    assert [one.id for one in reader.members(first.id, ALL)] == [first.id, *others]
    assert [one.job for one in reader.members(first.id, Filter(jobs=("team-b",)))] == ["team-b/y"]
    assert reader.digests(Filter(jobs=("team-b",)), 9) == []


def test_the_mails_of_a_thread(outbox: Outbox, reader: OutboxReader) -> None:
    """The other mails about the same breakage; of another job there are none."""
    entries = [
        outbox.accept(report(job, number), PEOPLE, owner="ci").result()[0]
        for job, number in (("a", 1), ("a", 2), ("b", 3))
    ]
    first = next(one for one in entries if one.report.build.number == 1)
    assert first.thread_id is not None
    assert [one.number for one in reader.same_thread(first, ALL)] == [2]
    assert reader.same_thread(first, Filter(owner="another")) == []
