"""Recorded answers of a real controller become reports."""

from collections.abc import Callable
from typing import Any

import pytest

from pyservice import samples
from pyservice.jenkins import build_data
from pyservice.jenkins.answers import ODD, Answers
from pyservice.report.facts import Missing


def test_a_failing_build() -> None:
    """The report has the failing stage, its log, the failing tests and the changes."""
    report = samples.load("2-failure")
    build = report.build
    assert (build.job, build.number, build.result) == ("shop/checkout", 2, "FAILURE")
    assert (build.previous_result, build.duration_ms) == ("SUCCESS", 2358)
    assert [cause.text for cause in build.causes] == ["Started by user anonymous"]
    assert report.error is not None
    assert (report.error.stage, report.error.message) == ("Package", "script returned exit code 2")
    assert report.tests is not None
    assert (report.tests.passed, report.tests.failed, report.tests.skipped) == (40, 2, 6)
    assert [(test.name, test.age) for test in report.tests.failures] == [
        ("test_refund", 1),
        ("test_tax", 1),
    ]
    assert [change.author for change in report.changes.items] == ["cy", "bo"]
    assert report.changes.items[1].message.endswith("漢字 subject <script>alert(1)</script>")


def test_a_skipped_stage_is_not_a_failed_one() -> None:
    """wfapi calls the stages after the failure FAILED; the log knows that they were skipped."""
    stages = {stage.name: stage.status for stage in samples.load("2-failure").stages}
    assert stages["Package"] == "FAILURE"
    assert stages["Deploy"] == "NOT_BUILT"


def test_the_log_is_the_failing_stage_without_secrets() -> None:
    """The last lines of the stage that failed; no timestamps, no Pipeline lines, no password."""
    log = "\n".join(samples.load("2-failure").log)
    assert "use of undeclared identifier 'amount_cents'" in log
    assert "password=****" in log
    assert "hunter2" not in log
    assert "[Pipeline]" not in log
    assert "2026-11-23T" not in log


@pytest.mark.parametrize(
    ("name", "result", "message"),
    [
        ("5-aborted", "ABORTED", "Aborted by anonymous"),
        ("7-aborted-by-user", "ABORTED", "Aborted by Ada Example"),
        ("8-aborted-by-timeout", "ABORTED", "Timeout has been exceeded"),
        ("9-aborted-superseded", "NOT_BUILT", "Superseded by #2"),
    ],
)
def test_who_or_what_interrupted_a_build(name: str, result: str, message: str) -> None:
    """The log names a person where REST does not; a time-out is nobody's abort."""
    report = samples.load(name)
    assert report.build.result == result
    assert report.error is not None
    assert report.error.message == message


@pytest.mark.parametrize("name", ["1-success-first", "3-unstable", "4-fixed"])
def test_a_build_that_ended_has_no_error(name: str) -> None:
    """The reason of UNSTABLE is its tests."""
    assert samples.load(name).error is None
    assert samples.load(name).log == []


def test_a_build_that_still_runs() -> None:
    """In `post` the build is still running: its result is there, its duration is 0."""
    report = samples.load("6-failing-still-running")
    assert (report.build.result, report.build.duration_ms) == ("FAILURE", 0)
    assert report.stages[-1].status == "IN_PROGRESS"


Json = dict[str, Any]


def answers(**more: Any) -> Answers:
    """Return what Jenkins answers about a build with two changes, two culprits and two tests."""
    changes = [
        {
            "commitId": f"{number}f00",
            "msg": "Add it",
            "timestamp": 1_700_000_000_000,
            "authorEmail": "ada@example.com",
            "author": {"absoluteUrl": "https://ci.example.com/user/ada", "fullName": "Ada"},
            "affectedPaths": ["till.c"],
            "paths": [{"editType": "edit", "file": "till.c"}],
        }
        for number in (1, 2)
    ]
    build = {
        "number": 7,
        "url": "https://ci.example.com/job/shop/7/",
        "result": "SUCCESS",
        "timestamp": 1_700_000_000_000,
        "duration": 1000,
        "displayName": "#7",
        "fullDisplayName": "shop #7",
        "description": None,
        "previousBuild": {"result": "SUCCESS"},
        "actions": [{}, {"causes": [{"_class": "hudson.model.Cause", "shortDescription": "Push"}]}],
        "changeSets": [{"items": changes}],
        "culprits": [{"id": "ada", "fullName": "Ada"}, {"id": "bo", "fullName": "Bo"}],
    }
    case = {
        "className": "Till",
        "name": "adds",
        "status": "FAILED",
        "age": 1,
        "duration": 0.5,
        "errorDetails": None,
        "errorStackTrace": None,
    }
    tests = {
        "passCount": 1,
        "failCount": 2,
        "skipCount": 0,
        "suites": [{"name": "all", "cases": [case, {**case, "name": "subtracts"}]}],
    }
    stage = {
        "id": "5",
        "name": "Build",
        "status": "SUCCESS",
        "startTimeMillis": 1_700_000_000_000,
        "durationMillis": 10,
    }
    return Answers(build=build, tests=tests, stages={"stages": [stage]}, **more)


def _first_change(known: Answers) -> Json:
    change: Json = known.build["changeSets"][0]["items"][0]
    return change


def _first_case(known: Answers) -> Json:
    assert known.tests is not None
    case: Json = known.tests["suites"][0]["cases"][0]
    return case


def _first_stage(known: Answers) -> Json:
    assert known.stages is not None
    stage: Json = known.stages["stages"][0]
    return stage


@pytest.mark.parametrize(
    ("find", "name", "odd"),
    [
        (lambda known: known.build, "displayName", ""),
        (lambda known: known.build, "fullDisplayName", None),
        (lambda known: known.build, "duration", -5),
        (lambda known: known.build, "description", 7),
        (lambda known: known.build, "previousBuild", "none"),
        (lambda known: known.build, "previousBuild", {"result": "PENDING"}),
        (lambda known: known.build["actions"][1]["causes"][0], "_class", None),
        # What Jenkins' own ChangeLogSet.Entry has, unless the plugin of a repository knows more.
        (_first_change, "timestamp", -1),
        (_first_change, "commitId", None),
        (_first_change, "msg", None),
        (_first_change, "author", None),
        (_first_change, "affectedPaths", None),
        (_first_change, "paths", [{"file": "till.c", "editType": "move"}]),
        (lambda known: known.build["culprits"][0], "fullName", None),
        (lambda known: known.build["culprits"][0], "property", [None]),
        (_first_case, "age", None),
        (_first_case, "duration", float("nan")),
        (_first_case, "duration", -1),
        (_first_case, "name", 7),
        (_first_stage, "durationMillis", -1),
        (_first_stage, "startTimeMillis", None),
    ],
)
@pytest.mark.parametrize("is_absent", [False, True])
def test_an_odd_value_costs_itself(
    find: Callable[[Answers], Json], name: str, odd: object, *, is_absent: bool
) -> None:
    """What Jenkins or a plugin gives otherwise, or not at all, is missing; all else is there."""
    known = answers()
    find(known)[name] = odd
    if is_absent:
        del find(known)[name]
    report = build_data.report(known)
    assert report.tests is not None
    assert (len(report.changes.items), len(report.build.culprits)) == (2, 2)
    assert (len(report.tests.failures), len(report.stages)) == (2, 1)
    assert [cause.text for cause in report.build.causes] == ["Push"]
    assert report.missing == []


@pytest.mark.parametrize("odd", [None, 7, "x", []])
def test_an_odd_entry_costs_itself(odd: object) -> None:
    """The report says once that some are missing."""
    known = answers()
    known.build["culprits"] = [odd, *known.build["culprits"], *[odd] * 190]
    known.build["changeSets"][0]["items"].insert(0, odd)
    report = build_data.report(known)
    assert [person.name for person in report.build.culprits] == ["Ada", "Bo"]
    assert (report.changes.total, len(report.changes.items)) == (3, 2)
    assert report.missing == [Missing(part=part, reason=ODD) for part in ("culprits", "changes")]
