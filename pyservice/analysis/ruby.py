"""The errors of Ruby: exceptions, RSpec and Rake."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
    Rank,
    Shape,
    consequences,
    end,
    following,
    shape,
)

_FRAME = re.compile(
    r"(?:\s+from |\s*# )?(?:\./)?(?P<file>(?!<|-e)[^\s:]+):(?P<line>\d+)(?::in [`'].*)?$"
)
_FOREIGN = re.compile(r".*(?:/gems/|/usr/lib/ruby/|/bin/)")
"""Files that are not the project's own."""
_EXAMPLE = re.compile(r"\s+\d+\) (?P<name>\S.*)")
_CLASS = re.compile(r"\s*(?P<name>(?:\w+::)*[A-Z]\w*):$")
_EXPECTED = re.compile(r"\s*expected: (?P<value>\S.*)")
_GOT = re.compile(r"\s*got: (?P<value>\S.*)")
_FAILED_COMMAND = re.compile(r"Command failed with status \(")


def _own_frame(lines: Sequence[str], first: int, last: int) -> re.Match[str] | None:
    """Return the first frame in a file of the project."""
    for line in lines[first : last + 1]:
        frame = _FRAME.match(line)
        if frame and _FOREIGN.match(frame["file"]) is None:
            return frame
    return None


def _exception(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read an exception that ended a program, with the frames below it."""
    last = at
    for index, line in following(lines, at):
        if line.startswith("\tfrom "):
            last = index
        elif last > at or index - at > 6:
            break
    if last == at and not match["text"].endswith(")"):
        return None
    found = Finding(first=at, last=last, line=at, text=match["text"])
    if match["file"] and _FOREIGN.match(match["file"]) is None:
        return found.at(match)
    return found.at(_own_frame(lines, at + 1, last))


def _rspec(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing example: its name stands above, what is wrong and the frames below."""
    frames = next((index for index, line in following(lines, at) if _is_frame(line)), None)
    if frames is None:
        return None
    begins = at + 1
    while not match["source"].strip() and begins < frames and lines[begins].strip():
        begins += 1  # a statement of several lines stands below
    body = [index for index in range(begins, frames) if lines[index].strip()]
    if not body:
        return None
    line, text = body[0], lines[body[0]].strip()
    if (error := _CLASS.match(lines[line])) and len(body) > 1:
        line = body[1]
        text = f"{error['name']}: {lines[line].strip()}"
    elif (expected := _EXPECTED.match(lines[line])) and len(body) > 1:
        got = _GOT.match(lines[body[1]])
        text = f"expected: {expected['value']}, got: {got['value']}" if got else text
    last = end(lines, frames, _is_frame)
    found = Finding(first=at, last=last, line=line, text=text)
    if at and (example := _EXAMPLE.match(lines[at - 1])):
        found = replace(found, first=at - 1, text=f"{example['name']}: {text}")
    return found.at(_own_frame(lines, frames, last))


def _is_frame(line: str) -> bool:
    return line.lstrip().startswith("# ") and _FRAME.match(line) is not None


def _rake(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read why a task failed; None if a command did, which said more by itself."""
    if at + 1 >= len(lines) or not lines[at + 1].strip() or _FAILED_COMMAND.match(lines[at + 1]):
        return None
    last = end(lines, at + 1, lambda line: _FRAME.match(line) is not None)
    found = Finding(first=at, last=last, line=at + 1, text=lines[at + 1].strip())
    return found.at(_own_frame(lines, at + 2, last))


SHAPES: tuple[Shape, ...] = (
    *(
        shape(
            "ruby",
            f":in {quote}",
            rf"(?:<internal:[^>]*>|(?P<file>[^\s:<]+)):(?P<line>\d+):in {quote}[^']*': "
            r"(?P<text>.+)",
            _exception,
            Rank.TRACE,
        )
        for quote in "`'"
    ),
    shape(
        "ruby",
        ": syntax error",
        r"(?P<file>[^\s:]+\.rb):(?P<line>\d+): (?P<text>syntax error.+)",
    ),
    shape("rspec", "Failure/Error:", r"\s*Failure/Error:(?P<source>.*)", _rspec),
    shape("rake", "rake aborted!", r"rake aborted!$", _rake),
    consequences("rake aborted!", r"rake aborted!$"),
)
