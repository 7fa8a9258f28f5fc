"""breakage.py: the failing builds right before a build."""

from pyservice.report.breakage import breakage, previous_result
from tests.builders.parts import history, past, report


def test_ends_at_the_success_before() -> None:
    """Older failures are another breakage."""
    builds = history(past(43, "FAILURE"), past(42, "SUCCESS"), past(41, "FAILURE"))
    found = breakage(report(build={"history": builds}).build)
    assert [one.number for one in found.builds] == [43]
    assert found.is_whole


def test_a_later_build_does_not_count() -> None:
    """A build may end, and report, after the next one."""
    builds = history(past(45, "FAILURE"), past(43, "SUCCESS"))
    build = report(build={"history": builds}).build
    assert breakage(build).builds == ()
    assert previous_result(build) == "SUCCESS"


def test_without_a_history() -> None:
    """Only the result before is known."""
    build = report(build={"previous_result": "UNSTABLE"}).build
    assert breakage(build).first is None
    assert previous_result(build) == "UNSTABLE"
