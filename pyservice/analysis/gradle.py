"""The errors of Gradle."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
    Rank,
    Shape,
    consequences,
    end,
    is_indented,
    number,
    preceding,
    shape,
)

_THROWN_AT = re.compile(r"\s+(?P<text>\S+) at (?P<file>[^\s:]+):(?P<line>\d+)$")
_WHERE = re.compile(r"\w+ file '(?P<file>[^']+)' line: (?P<line>\d+)$")
_CAUSE = re.compile(r"\s*> (?P<text>\S.*)")
_VAGUE = re.compile(r"(?:Compilation failed; |There were failing tests|Process 'command )")
"""What Gradle says of a tool that said more by itself."""


def _went_wrong(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    """Read why Gradle failed: the innermost cause, and the place in a build file."""
    last = end(lines, at, lambda line: bool(line.strip()))
    if last == at:
        return None
    causes = [index for index in range(at + 1, last + 1) if _CAUSE.match(lines[index])]
    line = causes[-1] if causes else at + 1
    found = Finding(first=at, last=last, line=line, text=lines[line].strip().removeprefix("> "))
    for index, above in preceding(lines, at, 4):
        if place := _WHERE.match(above):
            file, row = place["file"], number(place["line"])
            return replace(found, first=index, file=file, file_line=row)
    return found


def _not_vague(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    found = _went_wrong(lines, at, match)
    return None if found is None or _VAGUE.match(found.text) else found


def _test(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read a failing test: Gradle names its exception and the place."""
    last = end(lines, at, is_indented)
    found = Finding(first=at, last=last, line=at, text=f"{match['name']} failed")
    thrown = _THROWN_AT.match(lines[at + 1]) if last > at else None
    if thrown is None:
        return found
    return replace(
        found,
        line=at + 1,
        text=f"{match['name']}: {thrown['text']}",
        file=thrown["file"],
        file_line=number(thrown["line"]),
    )


SHAPES: tuple[Shape, ...] = (
    shape("gradle", " FAILED", r"(?P<name>[^\s>]+ > [^>]+) FAILED$", _test),
    shape("gradle", "* What went wrong:", r"\* What went wrong:$", _not_vague),
    shape("gradle", "* What went wrong:", r"\* What went wrong:$", _went_wrong, Rank.CONSEQUENCE),
    consequences("BUILD FAIL", r"(?:\[INFO\] )?BUILD FAIL(?!ED$)"),
)
