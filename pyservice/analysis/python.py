"""The errors of Python: tracebacks, pytest, unittest and pip."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
    Rank,
    Shape,
    begin,
    consequences,
    end,
    following,
    number,
    one_line,
    preceding,
    sentence,
    shape,
)

_FRAME = re.compile(r'[ |]*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_FOREIGN = re.compile(r".*(?:site-packages|dist-packages|/lib/python\d|<)")
"""Files that are not the project's own."""
_LOGGED = re.compile(r"(?:\S+ ){0,4}\[?(?:ERROR|WARN|WARNING|CRITICAL|DEBUG|INFO)\b")
_CHAINED = ("The above exception was", "During handling of the above exception")
_TRACEBACK = "Traceback (most recent call last):"
_PYTEST_PLACE = re.compile(r"(?P<file>[^\s:]+\.\w+):(?P<line>\d+): (?:in |\w)")
_PYTEST_HEADER = re.compile(r"_{3,} .+ _{3,}$")
_PYTEST_NEXT = re.compile(r"_{3,} .+ _{3,}$|={3,} .+ ={3,}$|E {3,}")
_NO_HOST = re.compile(r"WARNING: Retrying [^']*'\w+\('?(?:<[^>]*>: )?(?P<text>[^']*)'")
_RULE = re.compile(r"(?P<text>[A-Z]{1,4}\d{3,4} .+)")
_INDEX = re.compile(r"Looking in indexes: .*https?://(?:[^\s@/]*@)?(?P<host>[^\s/:]+)")

_MAX_TRACEBACK = 400
"""Lines."""


def _traceback(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a traceback, and those that follow from it: the last one ended the program."""
    error, cause = _exception(lines, at, match["indent"]), None
    while error and (again := _next_of_chain(lines, error.last)) is not None:
        cause, error = error, _exception(lines, again, match["indent"])
    if error is None:
        return cause and replace(cause, first=at)
    text = error.text if cause is None else f"{error.text} ({cause.text})"
    if "+" in match["indent"]:  # a group: its members stand below it
        last = end(lines, error.last, lambda line: line.lstrip().startswith(("|", "+")))
        error = replace(error, last=last)
    is_logged = at > 0 and _LOGGED.match(lines[at - 1]) is not None
    goes_on = any(line.strip() for _, line in following(lines, error.last, 3))
    return replace(error, first=at, text=text, is_doubtful=is_logged and goes_on)


def _exception(lines: Sequence[str], at: int, indent: str) -> Finding | None:
    """Read one traceback: its place is the last frame in a file of the project."""
    prefix, place = indent.replace("+", "|"), None
    for index, line in following(lines, at, _MAX_TRACEBACK):
        if not line.startswith(prefix):
            return None
        if line[len(prefix) : len(prefix) + 1].strip():
            return Finding(
                first=at,
                last=index,
                line=index,
                text=line[len(prefix) :],
            ).at(place)
        if (frame := _FRAME.match(line)) and not _FOREIGN.match(frame["file"]):
            place = frame
    return None


def _next_of_chain(lines: Sequence[str], at: int) -> int | None:
    """Return where the next traceback of a chain begins."""
    is_chained = False
    for index, line in following(lines, at, 4):
        is_chained = is_chained or line.strip().startswith(_CHAINED)
        if is_chained and line.strip() == _TRACEBACK:
            return index
    return None


def _syntax_error(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a syntax error; one at the start of a program has no traceback."""
    for index, line in preceding(lines, at, 5):
        if place := _FRAME.match(line):
            return Finding(
                first=index,
                last=at,
                line=at,
                text=match["text"],
                file=place["file"],
                file_line=number(place["line"]),
            )
    return None


def _pytest(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read what pytest shows of a failing test: from its name to the place of the error."""
    last, place = at, None
    for index, line in following(lines, at, 40):
        if found := _PYTEST_PLACE.match(line):
            last, place = index, found
            break
        if line.startswith(("E ", " ")):
            last = index
        elif line.strip():
            break
    first = begin(lines, at, lambda line: _PYTEST_NEXT.match(line) is None)
    for index, line in preceding(lines, at):
        if place is None and (found := _PYTEST_PLACE.match(line)):
            place = found
        if _PYTEST_NEXT.match(line):
            first = index if _PYTEST_HEADER.match(line) else index + 1
            break
    return Finding(
        first=first,
        last=last,
        line=at,
        text=match["text"],
    ).at(place)


def _unittest(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing test of unittest: its traceback stands below its name."""
    for index, line in following(lines, at, 6):
        if line == _TRACEBACK:
            error = _exception(lines, index, "")
            text = f"{match['name']}: {error.text}" if error else match["name"]
            return error and replace(error, first=at, text=text)
    return None


def _pip(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read why pip found no package: an index that can't be reached is named above."""
    found = one_line(lines, at, match)
    for index, line in preceding(lines, at, 12):
        if retried := _NO_HOST.match(line):
            host = next((one["host"] for _, one in _indexes(lines, index)), None)
            text = sentence([retried["text"], f"({host})" if host else ""])
            return replace(found, first=index, line=index, text=text)
    return found


def _indexes(lines: Sequence[str], at: int) -> list[tuple[int, re.Match[str]]]:
    return [(index, found) for index, line in preceding(lines, at) if (found := _INDEX.match(line))]


def _pip_conflict(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    last = end(lines, at, lambda line: not line.startswith(("ERROR", "To fix")))
    while last > at and not lines[last].strip():
        last -= 1
    return replace(one_line(lines, at, match), last=last)


def _ruff(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a finding of ruff; its rule stands above its place."""
    rule = _RULE.match(lines[at - 1]) if at else None
    if rule is None:
        return None
    found = one_line(lines, at, match)
    last = end(lines, at, lambda line: bool(line.strip()))
    return replace(found, first=at - 1, line=at - 1, last=last, text=rule["text"])


SHAPES: tuple[Shape, ...] = (
    consequences("FAILED (", r"FAILED \((?:failures|errors)="),
    consequences(
        "subprocess-exited", r"\s*error: (?:metadata-generation-failed|subprocess-exited)"
    ),
    consequences("ResolutionImpossible", r"ERROR: ResolutionImpossible"),
    shape(
        "python",
        _TRACEBACK,
        r"(?P<indent>[ |+]*)(?:Exception Group )?Traceback \(most recent call last\):$",
        _traceback,
        Rank.TRACE,
    ),
    *(
        shape("python", f"{name}: ", rf"\s*(?P<text>{name}: .+)", _syntax_error)
        for name in ("SyntaxError", "IndentationError", "TabError")
    ),
    shape("python", "No module named", r"\S*python[\d.]*: (?P<text>No module named .+)"),
    shape("python", "can't open file", r"\S*python[\d.]*: (?P<text>can't open file .+)"),
    shape("pytest", "E   ", r"E {3,}(?P<text>\S.*)", _pytest),
    shape("pytest", "ERROR: ", r"ERROR: (?P<text>(?:file or directory )?not found: .+)"),
    *(
        shape(
            "pytest",
            word,
            rf"{word}(?P<file>[^\s:]+\.py)(?:::\S+)?(?: - (?P<text>.+))?$",
        )
        for word in ("FAILED ", "ERROR ")
    ),
    *(
        shape("unittest", word, rf"{word}(?P<name>\w+) \([\w.]+\)$", _unittest)
        for word in ("ERROR: ", "FAIL: ")
    ),
    shape("pip", "ERROR: ", r"ERROR: (?P<text>Could not find a version .+)", _pip),
    shape("pip", "ERROR: ", r"ERROR: (?P<text>No matching distribution .+)", _pip),
    shape("pip", "ERROR: Cannot install", r"ERROR: (?P<text>Cannot install .+)", _pip_conflict),
    shape("ruff", "--> ", r"\s*--> (?P<file>[^\s:]+):(?P<line>\d+):\d+$", _ruff),
    shape(
        None,
        ".py:",
        r"(?P<file>[^\s:]+\.pyi?):(?P<line>\d+):\d+: (?P<text>[A-Z]{1,4}\d{3,4}:? .+)",
    ),
    shape(
        "mypy",
        ".py:",
        r"(?P<file>[^\s:]+\.pyi?):(?P<line>\d+):(?:\d+:)? (?P<text>error: .+)",
    ),
)
