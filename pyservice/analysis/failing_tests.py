"""The failing tests of a build: those that fail since this build, and those before it."""

from dataclasses import dataclass
from functools import cached_property

from pyservice.analysis.frames import first_own_frame
from pyservice.report.error_message import first_line
from pyservice.report.schema import FailedTest, Report
from pyservice.text import counted


@dataclass(frozen=True)
class FailingTest:
    """One failing test."""

    test: FailedTest

    @cached_property
    def first_own_frame(self) -> str:
        """Return the innermost line of its stack trace in the project's own code; or nothing."""
        return first_own_frame(self.test.stack_trace or "")

    @property
    def full_name(self) -> str:
        """Return its class and name."""
        return full_name(self.test)


def failing_tests(report: Report) -> tuple[tuple[FailingTest, ...], tuple[FailingTest, ...]]:
    """Return the tests that this build broke, and those that failed before, the oldest first."""
    new: list[FailingTest] = []
    old: list[FailingTest] = []
    for test in report.tests.failures if report.tests else ():
        (new if _is_new(test, report.build.number) else old).append(FailingTest(test))
    old.sort(key=lambda one: (one.test.failed_since or report.build.number, -one.test.age))
    return tuple(new), tuple(old)


def old_failures_sentence(new: tuple[FailingTest, ...], old: tuple[FailingTest, ...]) -> str:
    """Return a sentence about the tests that failed before: "4 more fail since #41 (…)"."""
    if not old:
        return ""
    count, oldest = len(old), old[0]
    who = f"{count} more" if new else counted(count, "test")
    verb = "fails" if count == 1 else "fail"
    since, name = oldest.test.failed_since, oldest.full_name
    if count == 1:
        return f"{who} {verb}{f' since #{since}' if since else ', as before'}: {name}"
    if since is None:
        return f"{who} {verb}, as before"
    if all(one.test.failed_since == since for one in old):
        return f"{who} {verb} since #{since}"
    return f"{who} {verb}, the oldest since #{since}: {name}"


def failures_sentence(report: Report) -> str:
    """Return what the failing tests come to; empty: none fails.

    Such as "3 tests failed in unit, 2 of them new", or of a single one its name and message.
    """
    tests = report.tests
    if tests is None or tests.failed == 0:
        return ""
    places = {test.stage for test in tests.failures}
    place = places.pop() if len(places) == 1 else ""
    where = f" in {place}" if place else ""
    if tests.failed == 1 and tests.failures:
        test = tests.failures[0]
        message = first_line(test.message or "")
        return f"{full_name(test)} failed{where}{': ' * bool(message)}{message}"
    new = sum(_is_new(test, report.build.number) for test in tests.failures)
    count = f"{counted(tests.failed, 'test')} failed{where}"
    if len(tests.failures) < tests.failed:
        return count
    if new in {0, tests.failed}:
        return f"{count}, {'all of them new' if new else 'none of them new'}"
    return f"{count}, {new} of them new"


def full_name(test: FailedTest) -> str:
    """Return a test's class and name."""
    return f"{test.class_name}.{test.name}" if test.class_name.strip() else test.name


def _is_new(test: FailedTest, number: int) -> bool:
    return test.age <= 1 if test.failed_since is None else test.failed_since >= number
