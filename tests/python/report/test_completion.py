"""completion.py: what its sender could not see is added to a report."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.report.completion import MAX_BYTES, completed, without
from pyservice.report.facts import Missing
from pyservice.report.schema import Change, Changes, FailedTest, Failure, Report
from pyservice.report.schema import Tests as ReportTests

KNOWN = samples.load("2-failure")
BARE = Report(build=KNOWN.build, mail=KNOWN.mail)


def with_result(result: str, **members: Any) -> Report:
    """Return a report that has no more than its build."""
    return BARE.model_copy(
        update={"build": BARE.build.model_copy(update={"result": result}), **members}
    )


def test_all_is_added() -> None:
    """A report that has nothing but its build gets all that is known."""
    whole = completed(BARE, KNOWN)
    assert whole == KNOWN.model_copy(update={"complete": True, "masked": 0})


def test_twice_is_once() -> None:
    """To complete a report again changes nothing."""
    once = completed(BARE, KNOWN)
    assert completed(once, KNOWN) == once


@given(st.sets(st.sampled_from(sorted(set(Report.model_fields) - {"version", "build", "mail"}))))
def test_what_the_report_says_stays(said: set[str]) -> None:
    """Whatever parts a report has, it keeps them."""
    own = samples.load("5-aborted")
    report = with_result("ABORTED", **{name: getattr(own, name) for name in said})
    whole = completed(report, KNOWN)
    assert whole.build == report.build
    for name in said - {"complete", "error", "missing", "changes"}:
        if getattr(own, name):
            assert getattr(whole, name) == getattr(own, name)


def test_an_error_gets_its_step() -> None:
    """The author's message stays, and the failing step is added."""
    whole = completed(with_result("FAILURE", error=Failure(message="mine")), KNOWN)
    assert whole.error is not None
    assert KNOWN.error is not None
    assert (whole.error.message, whole.error.step) == ("mine", KNOWN.error.step)


@pytest.mark.parametrize("result", ["SUCCESS", "UNSTABLE"])
def test_an_error_that_broke_nothing(result: str) -> None:
    """In a build that did not fail a failed stage is a warning."""
    whole = completed(with_result(result), KNOWN)
    assert whole.error is None
    assert whole.log == []
    assert [(one.message, one.place) for one in whole.warnings] == [
        ("script returned exit code 2", ["Package"])
    ]


def test_changes_are_told_apart_by_their_commits() -> None:
    """A change gets the address and the files of its own commit, and keeps its other members."""
    first, second = KNOWN.changes.items
    own = [Change(id=second.id, message="mine"), Change(id="unknown", message="other")]
    whole = completed(with_result("FAILURE", changes=Changes(total=7, items=own)), KNOWN)
    assert whole.changes.total == 7
    assert whole.changes.items[0].author_email == second.author_email != first.author_email
    assert [change.message for change in whole.changes.items] == ["mine", "other"]
    assert whole.changes.items[1] == own[1]


def test_both_name_what_is_missing() -> None:
    """The sender's missing parts stay named."""
    known = KNOWN.model_copy(update={"missing": [Missing(part="tests", reason="late")]})
    whole = completed(with_result("FAILURE", missing=[Missing(part="x", reason="y")]), known)
    assert [one.part for one in whole.missing] == ["x", "tests"]
    assert without(BARE, "why").missing == [Missing(part="build", reason="why")]
    assert without(BARE, "why").complete


def test_not_too_large() -> None:
    """A completed report has at most MAX_BYTES, and names what was cut."""
    text = "x" * 2000
    tests = ReportTests(
        total=1000, failed=1000, failures=[FailedTest(name="a", message=text)] * 1000
    )
    known = KNOWN.model_copy(update={"tests": tests})
    whole = completed(BARE, known)
    assert len(whole.model_dump_json()) <= MAX_BYTES
    assert [one.part for one in whole.missing] == ["log", "tests"]
