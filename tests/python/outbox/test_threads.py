"""threads.py: which mails are one thread, in which order builds come, and on each database."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
import sqlalchemy as sa

from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.tables import threads
from pyservice.outbox.threads import (
    MAX_AGE,
    MAX_BREAKAGES,
    Breakage,
    forget_threads,
    place,
    scope_of,
)
from pyservice.report.facts import History, PastBuild
from pyservice.report.schema import Build, Mail, Report
from tests.builders.outbox import PEOPLE, opened

Result = Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]
LETTERS: dict[str, Result] = {
    "F": "FAILURE",
    "U": "UNSTABLE",
    "S": "SUCCESS",
    "A": "ABORTED",
    "N": "NOT_BUILT",
}


def build(name: str, *, before: str = "", start: int = 0, job: str = "shop") -> Build:
    """Return a build such as `F41`, and its result before if it has one, such as `S`."""
    number = int(name[1:])
    return Build(
        job=job,
        number=number,
        result=LETTERS[name[0]],
        previous_result=LETTERS[before] if before else None,
        started_at=start or number * 1000,
        url=f"https://ci.example.com/job/{job}/{number}/",
    )


def placed(names: str, *, before: dict[str, str] | None = None) -> str:
    """Return for each build the number of the one that began its thread, or `-`."""
    breakages: list[Breakage] = []
    shown = []
    for name in names.split():
        one = build(name, before=(before or {}).get(name, ""))
        breakages, thread = place(breakages, one, f"<{name}>")
        shown.append(str(thread.number) if thread else "-")
    return " ".join(shown)


@pytest.mark.parametrize(
    ("builds", "threads_of"),
    [
        ("F41 F42 U43 S44 S45 F46 S47", "41 41 41 41 - 46 46"),
        ("S40 A41 N42 F43 A44 F45 S46 A47", "- - - 43 43 43 43 -"),
        ("F42 F41 S43", "42 42 42"),
        ("F41 S43 F42", "41 41 41"),
        ("F41 F44 S45 F43 F42", "41 41 41 41 41"),
        ("F41 S42 F44 F43 S45", "41 41 44 44 44"),
        ("F41 S42 S40 F39", "41 41 - 41"),
        ("F41 F41 S42 S42", "41 41 41 41"),
        ("F41 S43 S42", "41 41 41"),
    ],
)
def test_the_thread_of_each_build(builds: str, threads_of: str) -> None:
    """One breakage is one thread, in whatever order its builds are reported."""
    assert placed(builds) == threads_of


def test_a_build_that_passed_and_was_not_reported() -> None:
    """A job may report only what fails: the result before shows that something passed between."""
    assert placed("F41 F43", before={"F43": "S"}) == "41 43"
    assert placed("F41 F42 S44", before={"F42": "F", "S44": "S"}) == "41 41 -"
    assert placed("F41 A43 F44", before={"A43": "S"}) == "41 - 44"
    assert placed("F42 F41", before={"F42": "F", "F41": "S"}) == "42 42"


def test_two_builds_at_the_same_time() -> None:
    """The result before #42 is that of #40, if #41 was still running: both are one breakage."""
    assert placed("F41 F42 F43", before={"F42": "S", "F43": "S"}) == "41 41 41"


@pytest.mark.parametrize(("success", "threads_of"), [(40, {41}), (42, {41, 43})])
def test_the_last_success_of_the_history(success: int, threads_of: set[int]) -> None:
    """Where a report has the history, it says what passed, and the result before doesn't count."""
    breakages, first = place([], build("F41"), "<41>")
    history = History(last_success=PastBuild(number=success, started_at=success * 1000))
    later = build("F43", before="S").model_copy(update={"history": history})
    _, second = place(breakages, later, "<43>")
    assert first is not None
    assert second is not None
    assert {first.number, second.number} == threads_of


def test_a_job_that_is_created_again() -> None:
    """It counts from 1, and begins a thread of its own, while the old breakage never ended."""
    breakages, _ = place([], build("F41"), "<old>")
    breakages, thread = place(breakages, build("F1", start=90_000), "<new>")
    assert thread is not None
    assert thread.message_id == "<new>"
    _, fixed = place(breakages, build("S2", start=91_000), "<2>")
    assert fixed == thread


def test_only_the_last_breakages_are_kept() -> None:
    """However often a job breaks."""
    breakages: list[Breakage] = []
    for number in range(1, 40):
        breakages, _ = place(breakages, build(f"{'FS'[number % 2]}{number}"), f"<{number}>")
    assert [one.number for one in breakages] == [34, 36, 38]
    assert len(breakages) == MAX_BREAKAGES


def test_in_any_order_there_is_one_thread() -> None:
    """All that failed are in it, and what passed, unless it came before any of them."""
    for builds in itertools.permutations(("F41", "F42", "A43", "F44", "S45")):
        of = dict(zip(builds, placed(" ".join(builds)).split(), strict=True))
        failed = {number for name, number in of.items() if name[0] == "F"}
        assert len(failed) == 1, builds
        assert {of["S45"], of["A43"]} <= failed | {"-"}, builds


def test_scopes() -> None:
    """Jobs of two controllers with one name are two jobs."""
    here = build("F1")
    there = here.model_copy(update={"url": "https://other.example.com/job/shop/1/"})
    assert scope_of("https://ci.example.com", "a", here) == scope_of(
        "https://ci.example.com", "b", here
    )
    assert scope_of(None, "a", here) != scope_of(None, "b", here)
    assert scope_of(None, "a", here) != scope_of(None, "a", there)
    assert scope_of(None, "a", here.model_copy(update={"url": None})) == "a "


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """An outbox of each kind."""
    with opened(database_url, "node1") as one:
        yield one


def accept(outbox: Outbox, name: str, *, job: str = "shop", key: str | None = None) -> QueuedReport:
    """Accept the report of a build such as `F41`."""
    report = Report(build=build(name, job=job))
    return outbox.accept(report, PEOPLE, owner="ci", key=key).result()[0]


def test_it_is_committed_with_the_report(outbox: Outbox) -> None:
    """A new report has its thread, however it is read; a repeated one changes nothing."""
    first, second = accept(outbox, "F41"), accept(outbox, "F42")
    assert first.thread is not None
    assert first.thread == second.thread
    assert first.thread.message_id == first.message_id
    fixed = accept(outbox, "S43")
    assert accept(outbox, "F41").thread == accept(outbox, "S43").thread == first.thread
    assert accept(outbox, "F44").thread_number == 44
    assert accept(outbox, "F44", job="shop/other").thread_number == 44
    assert outbox.get(fixed.id, owner="ci")[0].thread == first.thread
    assert {entry.thread_number for entry in outbox.claim(10)} == {41, 44}


def test_a_green_job_has_no_row(outbox: Outbox) -> None:
    """Only what breaks is kept."""
    assert accept(outbox, "S1").thread is None
    assert rows(outbox) == []


def test_a_dry_run_begins_no_thread(outbox: Outbox) -> None:
    """Later mails refer to the first one that was sent; a dry run refers to it, too."""
    dry = Mail(dry_run=True)

    def try_out(name: str) -> QueuedReport:
        report = Report(build=build(name), mail=dry)
        return outbox.accept(report, PEOPLE, owner="ci", key=None).result()[0]

    assert try_out("F41").thread_number == 41
    first = accept(outbox, "F42")
    assert first.thread_number == 42
    assert try_out("S43").thread == first.thread
    assert accept(outbox, "F44").thread == first.thread


def test_two_services_agree(shared_url: str) -> None:
    """Of builds that two services take at the same time one begins the thread."""
    with opened(shared_url, "node1") as one, opened(shared_url, "node2") as two:
        with ThreadPoolExecutor(8) as pool:
            entries = list(
                pool.map(
                    lambda number: accept(
                        (one, two)[number % 2], f"F{number}", job=f"shop-{number % 3}"
                    ),
                    range(1, 61),
                )
            )
        for job in range(3):
            of_job = [entry for entry in entries if entry.report.build.job == f"shop-{job}"]
            assert len({entry.thread_id for entry in of_job}) == 1
            assert of_job[0].thread_id in {entry.message_id for entry in of_job}


def test_a_lost_history_begins_a_new_thread(outbox: Outbox) -> None:
    """Old rows are removed; the next mail of the job stands at the beginning of a thread."""
    first = accept(outbox, "F41")
    forget_threads(outbox._database, time.time() + MAX_AGE - 60)
    assert len(rows(outbox)) == 1
    forget_threads(outbox._database, time.time() + MAX_AGE + 60)
    assert rows(outbox) == []
    fixed, again = accept(outbox, "S42"), accept(outbox, "F43")
    assert fixed.thread is None
    assert again.thread is not None
    assert again.thread.message_id == again.message_id != first.message_id


def rows(outbox: Outbox) -> list[sa.Row[tuple[str]]]:
    with outbox._database.read() as read:
        return list(read.execute(sa.select(threads.c.job)).all())
