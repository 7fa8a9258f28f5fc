"""first_error.py: which line of a real tool's log says why a step failed."""

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice.analysis.first_error import SHAPES, FirstError, find_first_error
from tests.python.analysis.logs import EXPECTED, NAMES, read

WRONG = {name: expected["wrong"] for name, expected in EXPECTED.items() if "wrong" in expected}
RIGHT = [name for name in NAMES if name not in WRONG]
MEMBERS = ("message", "file", "file_line", "command", "tool")
LINES = [line for name in NAMES for line in read(name)]
TELLING = sorted({line for name in NAMES for line in read(name)[-25:] if len(line) < 200})


def said(name: str) -> dict[str, Any]:
    """What the finder says of a log, as expected.toml has it."""
    lines = read(name)
    error = find_first_error(lines)
    if error is None:
        return {}
    members = {member: getattr(error, member) for member in MEMBERS}
    known = {member: value for member, value in members.items() if value is not None}
    return {"line": lines[error.line], "block": error.last - error.first + 1} | known


def test_each_log_has_an_expectation() -> None:
    """Each recorded log is tested, and nothing is expected of logs that aren't there."""
    assert sorted(EXPECTED) == NAMES
    assert len(NAMES) >= 200


@pytest.mark.parametrize("name", RIGHT)
def test_the_first_cause(name: str) -> None:
    """The line, the message, the file and the command are those that made the step fail."""
    assert said(name) == EXPECTED[name]


@pytest.mark.parametrize("name", WRONG)
def test_what_it_does_not_find(name: str) -> None:
    """What the finder is known to get wrong is still wrong: else the list is out of date."""
    assert said(name).get("line") != EXPECTED[name]["line"]


def test_how_many_are_right() -> None:
    """All but one of the recorded logs come out right."""
    assert len(WRONG) == 1, f"{len(RIGHT)} of {len(NAMES)} right"


def test_a_log_with_nothing_wrong() -> None:
    """Counts of errors that are 0, and files named after errors, are no errors."""
    assert find_first_error(read("shell-nothing-wrong")) is None


@pytest.mark.parametrize("lines", [[], [""], ["", ""], ["+ exit 1"], ["+ true", "ok"],
                                   ["+ echo a=$A b=$B", "a=1 b=****", "+ exit 9"]])  # fmt: skip
def test_nothing_to_say(lines: list[str]) -> None:
    """A log without words has no error."""
    assert find_first_error(lines) is None


@pytest.mark.parametrize("name", RIGHT)
def test_with_timestamps(name: str) -> None:
    """The times that the Timestamper plugin puts before each line change nothing."""
    lines = read(name)
    stamped = [
        f"[2026-11-30T06:12:{number % 60:02}.123Z] {line}" for number, line in enumerate(lines)
    ]
    assert find_first_error(stamped) == find_first_error(lines)


def test_the_last_command_counts() -> None:
    """An error that the script went on after is none, and cleaning up afterwards is none, too."""
    lines = [
        "+ curl -f https://shop.example.com/health",
        "curl: (22) The requested URL returned error: 503",
        "+ sleep 1",
        "+ make",
        "main.c:3:1: error: expected ';'",
        "+ rm /tmp/shop.lock",
        "rm: cannot remove '/tmp/shop.lock': No such file or directory",
    ]
    assert message(lines) == "main.c:3: error: expected ';'"
    assert message(lines[:3]) == "The requested URL returned error: 503"
    again = ["+ make", *lines[4:5], "+ ./configure", "+ make", "make: *** [all] Error 1"]
    assert message(again) == "make: *** [all] Error 1"


def message(lines: Sequence[str]) -> str | None:
    """The message of the first error."""
    error = find_first_error(lines)
    return None if error is None else error.message


def test_a_long_message_is_cut() -> None:
    """A mail has room for a sentence."""
    assert message(["error: " + "word " * 300]) == "error: " + ("word " * 300)[: 400 - 8] + "…"


def check(lines: list[str]) -> None:
    """Assert that what is found lies within the lines."""
    error = find_first_error(lines)
    if error is not None:
        assert isinstance(error, FirstError)
        assert 0 <= error.first <= error.line <= error.last < len(lines)
        assert error.message.strip()
        assert "\n" not in error.message


@given(st.lists(st.text(max_size=80), max_size=40))
def test_any_lines(lines: list[str]) -> None:
    """Whatever a log says, what is found lies within it."""
    check(lines)


@given(st.lists(st.sampled_from(TELLING), max_size=60))
def test_any_lines_of_logs(lines: list[str]) -> None:
    """Lines of real logs in any order are read, too."""
    check(lines)


@given(st.sampled_from(NAMES), st.integers(0, 300), st.integers(0, 300))
def test_any_part_of_a_log(name: str, start: int, length: int) -> None:
    """A log may begin and end anywhere, as only its end is sent."""
    check(read(name)[start : start + length])


def steps(lines: list[str]) -> int:
    """How many lines of the package's own code are executed to find the error."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "analysis" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        find_first_error(lines)
    finally:
        sys.settrace(None)
    return count


HOSTILE = sorted({*(f"{shape.guard}x" for shape in SHAPES), *TELLING[::7]})


@pytest.mark.slow
@pytest.mark.parametrize("lines", [HOSTILE[at : at + 12] for at in range(0, len(HOSTILE), 12)])
def test_no_log_takes_long(lines: Sequence[str]) -> None:
    """Four times the lines take four times the steps, and not sixteen times."""
    for line in lines:
        small, large = steps([line] * 500), steps([line] * 2000)
        assert large < 5 * small, line
