"""Recorded answers of a real controller become reports."""

import pytest

from pyservice import samples


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
