"""failing_tests.py: the tests that a build broke, and those that failed before."""

from typing import Any

import pytest

from pyservice.analysis.failing_tests import failing_tests, failures_sentence, old_failures_sentence
from tests.builders.parts import counts, failing, report


def old(name: str, since: int | None) -> dict[str, Any]:
    """Return a test that has been failing."""
    return failing(name, age=3, failed_since=since)


@pytest.mark.parametrize(
    ("failures", "sentence"),
    [
        ([failing("a")], ""),
        ([old("b", 41)], "1 test fails since #41: shop.LedgerTest.b"),
        ([failing("a"), old("b", 41)], "1 more fails since #41: shop.LedgerTest.b"),
        ([failing("a"), old("b", 41), old("c", 41)], "2 more fail since #41"),
        (
            [old("b", 42), failing("a"), old("c", 41)],
            "2 more fail, the oldest since #41: shop.LedgerTest.c",
        ),
        ([old("b", None), old("c", None)], "2 tests fail, as before"),
        ([old("b", None)], "1 test fails, as before: shop.LedgerTest.b"),
    ],
)
def test_old_failures(failures: list[dict[str, Any]], sentence: str) -> None:
    """They are counted, and the oldest is named."""
    new, before = failing_tests(report(tests=counts(*failures)))
    assert [one.test.name for one in new] == ["a"] * any(one["name"] == "a" for one in failures)
    assert old_failures_sentence(new, before) == sentence


@pytest.mark.parametrize(
    ("tests", "sentence"),
    [
        (None, ""),
        (counts(), ""),
        (counts(failed=3), "3 tests failed"),
        (counts(failing("a", stage="unit", message="1 != 2\nmore")),
         "shop.LedgerTest.a failed in unit: 1 != 2"),
        (counts(failing("a", message="\n\nExpected: 1\n     but: 2")),
         "shop.LedgerTest.a failed: Expected: 1"),
        (counts(failing("a")), "shop.LedgerTest.a failed"),
        (counts(failing("a", stage="unit"), old("b", 41) | {"stage": "unit"}),
         "2 tests failed in unit, 1 of them new"),
        (counts(failing("a", stage="unit"), failing("b", stage="it")),
         "2 tests failed, all of them new"),
        (counts(old("a", 41), old("b", 41)), "2 tests failed, none of them new"),
        (counts(failing("a"), failed=9), "9 tests failed"),
    ],
)  # fmt: skip
def test_all_in_one_sentence(tests: dict[str, Any] | None, sentence: str) -> None:
    """It says how many are new only if all failing tests are known."""
    assert failures_sentence(report(tests=tests)) == sentence


def test_since_when_counts_more_than_the_age() -> None:
    """A test that failed first in this build is new."""
    tests = counts(failing("a", age=9, failed_since=44), failing("b", age=1, failed_since=43))
    new, before = failing_tests(report(tests=tests))
    assert [one.full_name for one in new] == ["shop.LedgerTest.a"]
    assert [one.full_name for one in before] == ["shop.LedgerTest.b"]
