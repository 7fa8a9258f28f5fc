"""frames.py: the lines of a stack trace that name a file."""

import pytest

from pyservice.analysis.frames import first_own_frame, frames

JUNIT = """java.lang.AssertionError: expected: <1099> but was: <1100>
\tat org.junit.Assert.fail(Assert.java:89)
\tat java.base/java.util.Objects.requireNonNull(Objects.java:233)
\tat app//shop.ledger.LedgerTest$Nested.totals(LedgerTest.java:118)
\tat shop.ledger.LedgerTest.lambda$all$0(LedgerTest.java:90)
\tat java.base/jdk.internal.reflect.Method.invoke(Native Method)
"""
PYTEST = """def test_total():
>       assert total([1.005]) == 1.01
E       assert 1.0 == 1.01

tests/test_ledger.py:12: AssertionError"""
PYTEST_DEEP = """tests/test_ledger.py:12: in test_total
    total([])
src/ledger.py:4: in total
    return json.loads("")
/usr/lib/python3.11/json/__init__.py:346: in loads
    raise
E   JSONDecodeError
"""
PYTHON = """Traceback (most recent call last):
  File "/ws/tests/test_ledger.py", line 5, in test_total
    total()
  File "/ws/ledger.py", line 9, in total
    requests.get("x")
  File "/ws/.venv/lib/python3.11/site-packages/requests/api.py", line 73, in get
ValueError: x"""
JEST = """Error: expect(received).toBe(expected)
    at Object.toBe (/ws/src/ledger.test.js:8:19)
    at Promise.then.completed (/ws/node_modules/jest-circus/build/utils.js:298:28)
    at node:internal/process/task_queues:95:5"""
GO = """    ledger_test.go:14: total = 10, want 11"""
RUST = """thread 'totals' panicked at src/lib.rs:12:5:
assertion `left == right` failed
src/lib.rs:12:5"""


@pytest.mark.parametrize(
    ("trace", "first"),
    [
        (JUNIT, "at app//shop.ledger.LedgerTest$Nested.totals(LedgerTest.java:118)"),
        (PYTEST, "tests/test_ledger.py:12: AssertionError"),
        (PYTEST_DEEP, "src/ledger.py:4: in total"),
        (PYTHON, 'File "/ws/ledger.py", line 9, in total'),
        (JEST, "at Object.toBe (/ws/src/ledger.test.js:8:19)"),
        (GO, "ledger_test.go:14: total = 10, want 11"),
        (RUST, "src/lib.rs:12:5"),
        ("boom\nat a.C:3", ""),
        ("connection to db.example.com:5432 refused", ""),
        ("\tat org.junit.Assert.fail(Assert.java:89)", ""),
        ("", ""),
    ],
)
def test_the_first_of_the_project(trace: str, first: str) -> None:
    """It is the innermost call that no language, library or test framework owns."""
    assert first_own_frame(trace) == first


def test_a_java_class_has_its_packages_folders() -> None:
    """So that it can be compared with a path of the repository."""
    [frame] = [frame for frame in frames(JUNIT) if frame.line == 118]
    assert frame.file == "shop/ledger/LedgerTest.java"


def test_a_long_trace_is_cut() -> None:
    """Its innermost calls are read."""
    assert len(frames("\tat a.B.c(B.java:1)\n" * 5000)) == 300
