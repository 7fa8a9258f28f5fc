"""A build's tests, by Jenkins' REST answers: pure functions."""

import math

from pyservice.jenkins.answers import Json, actions, made, text
from pyservice.report.schema import FailedTest, Tests

MAX_TESTS = 200
MAX_TEXT = 2048
"""Characters of a test's message, and of its stack trace."""

_FAILED = ("FAILED", "REGRESSION")


def has_tests(build: Json) -> bool:
    """Whether a build has test results, by the answer of `api/json`."""
    return any(_counts(action) for action in actions(build))


def _counts(action: Json) -> bool:
    return str(action.get("_class", "")).startswith("hudson.tasks.") and "totalCount" in action


def tests_of(build: Json, tests: Json | None) -> Tests | None:
    """Return the tests; without the answer about them their counts, which the build has."""
    if tests is None:
        for action in filter(_counts, actions(build)):
            return Tests(
                total=action["totalCount"],
                failed=action["failCount"],
                skipped=action["skipCount"],
            )
        return None
    suites = tests["suites"]
    failing = [
        (suite, case)
        for suite in suites
        for case in suite["cases"]
        if case.get("status") in _FAILED
    ]
    return Tests(
        total=tests["passCount"] + tests["failCount"] + tests["skipCount"],
        failed=tests["failCount"],
        skipped=tests["skipCount"],
        failures=[_failed_test(suite, case) for suite, case in failing[:MAX_TESTS]],
    )


def _failed_test(suite: Json, case: Json) -> FailedTest:
    blocks = suite.get("enclosingBlockNames") or [""]
    seconds = case.get("duration")
    lasted = seconds if isinstance(seconds, int | float) and math.isfinite(seconds) else None
    return made(
        FailedTest,
        name=text(case.get("name")) or "?",
        class_name=text(case.get("className")),
        message=text(case.get("errorDetails"), MAX_TEXT) or None,
        stack_trace=text(case.get("errorStackTrace"), MAX_TEXT) or None,
        age=case.get("age"),
        failed_since=case.get("failedSince") or None,
        duration_ms=None if lasted is None else round(lasted * 1000),
        suite=text(suite.get("name")),
        stage=text(blocks[0]),
    )
