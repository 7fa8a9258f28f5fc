"""suspects.py: which changes touch what went wrong."""

import pytest

from pyservice.analysis.failing_tests import failing_tests
from pyservice.analysis.suspects import suspect_sentence, suspects
from tests.builders.parts import change, changes, counts, failing, history, past, report


@pytest.mark.parametrize(
    ("file", "changed", "path"),
    [
        ("main.c", ["main.c", "kind"], "main.c"),
        ("main.c", ["ledger/main.c"], "ledger/main.c"),
        ("./src/main.c", ["src/main.c"], "src/main.c"),
        ("src\\main.c", ["src/main.c"], "src/main.c"),
        ("ledger/main.c", ["ledger/main.c", "web/main.c"], "ledger/main.c"),
        ("main.c", ["ledger/main.c", "web/main.c"], None),
        ("main.c", ["main.c", "web/main.c"], None),
        ("web/main.c", ["ledger/main.c"], None),
        ("ledger/main.c", ["main.c"], None),
        ("Main.c", ["main.c"], None),
        ("main.c", ["domain.c", "main.cc", "main.c.in"], None),
        ("/home/ci/workspace/shop/checkout/src/main.c", ["src/main.c"], "src/main.c"),
        ("/home/ci/workspace/shop_main/src/main.c", ["src/main.c"], "src/main.c"),
        ("/home/ci/workspace/shop/checkout/lib/main.c", ["main.c"], None),
        ("C:\\ci\\workspace\\shop\\checkout\\src\\main.c", ["src/main.c"], "src/main.c"),
        ("/build/src/main.c", ["src/main.c"], "src/main.c"),
        ("/build/src/main.c", ["main.c"], None),
        ("/usr/include/stdio.h", ["lib/stdio.h"], None),
        ("/", ["/"], None),
        (None, ["main.c"], None),
    ],
)
def test_the_file_that_the_error_names(
    file: str | None, changed: list[str], path: str | None
) -> None:
    """It must be the end of one changed path, compared by folders."""
    failed = report(changes=changes(*(change(one, commit=f"{one:_>12}") for one in changed)))
    found = suspects(failed, file, ())
    assert [one.path for one in found] == ([path] if path else [])


def test_the_proof() -> None:
    """It names the change, its author and the file."""
    failed = report(changes=changes(change("docs/a.md", "1" * 40), change("ledger.c")))
    [suspect] = suspects(failed, "ledger.c", ())
    assert suspect.proof == "8ed0cf87 by Cy touches ledger.c, which the error names"
    assert suspect.change.id == "8ed0cf87aa11"
    assert suspect_sentence(failed, [suspect]) == suspect.proof


@pytest.mark.parametrize(
    ("test", "path"),
    [
        (
            failing("x", stack_trace="\tat shop.Ledger.total(Ledger.java:3)"),
            "core/src/main/java/shop/Ledger.java",
        ),
        (failing("x"), "core/src/test/java/shop/LedgerTest.java"),
        (failing("x", "shop.LedgerTest$Nested"), "src/shop/LedgerTest.kt"),
        (failing("x", "tests.test_ledger.TestTotals"), "tests/test_ledger.py"),
        (failing("x", "tests.test_ledger"), "tests/test_ledger.py"),
        (failing("x", "ledger", stack_trace="    ledger_test.go:14: total"), "a/ledger_test.go"),
    ],
)
def test_what_the_stack_trace_of_a_new_failure_names(test: dict[str, object], path: str) -> None:
    """The project's own files count, and the test's own."""
    failed = report(tests=counts(test), changes=changes(change(path), change("README.md")))
    new, _ = failing_tests(failed)
    assert [one.path for one in suspects(failed, None, new)] == [path]


@pytest.mark.parametrize(
    ("test", "path"),
    [
        (failing("x", "ledger"), "ledger.js"),
        (failing("x", "shop.LedgerTest"), "bank/LedgerTest.java"),
        (failing("x", stack_trace="\tat java.util.Map.of(Map.java:3)"), "java/util/Map.java"),
    ],
)
def test_no_guesses(test: dict[str, object], path: str) -> None:
    """A name alone proves nothing, and neither does a library's file."""
    failed = report(tests=counts(test), changes=changes(change(path)))
    new, _ = failing_tests(failed)
    assert suspects(failed, None, new) == ()


def test_two_changes_of_one_file() -> None:
    """Both are suspects, and the sentence says that there is another."""
    failed = report(changes=changes(change("a.c", "1" * 40), change("a.c", "2" * 40)))
    found = suspects(failed, "a.c", ())
    assert len(found) == 2
    assert suspect_sentence(failed, found).endswith("; 1 more change may be why")


@pytest.mark.parametrize(
    ("total", "before", "sentence"),
    [
        (0, history(past(43, "SUCCESS")), ""),
        (1, history(past(43, "SUCCESS")), "1 change since #43"),
        (2, history(past(43, "ABORTED"), past(42, "SUCCESS")), "2 changes since #43"),
        (2, None, "2 changes"),
    ],
)
def test_without_proof(total: int, before: dict[str, object] | None, sentence: str) -> None:
    """The changes are counted, since the build that had the others."""
    failed = report(build={"history": before}, changes={"total": total})
    assert suspect_sentence(failed, ()) == sentence


@pytest.mark.parametrize(
    ("checkouts", "missing", "sentence"),
    [
        ([{"revision": "a"}], [], "No change since #43"),
        ([{"revision": "a"}], [{"part": "changes"}], ""),
        ([], [], ""),
    ],
)
def test_no_change(checkouts: list[object], missing: list[object], sentence: str) -> None:
    """It is said of a build that checked something out, if its changes could be read."""
    build = {"history": history(past(43, "SUCCESS")), "checkouts": checkouts}
    assert suspect_sentence(report(build=build, missing=missing), ()) == sentence
