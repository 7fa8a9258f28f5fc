"""The errors of PHP, PHPUnit and Composer."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
    Shape,
    consequences,
    end,
    following,
    is_indented,
    one_line,
    sentence,
    shape,
)

_TEST = re.compile(r"\d+\) (?P<name>\S+)")
_PLACE = re.compile(r"(?:\s*╵ )?(?P<file>/\S+\.php):(?P<line>\d+)$")
_BOX = re.compile(r"\s*[┐├│╵┴]")
_BOXED = re.compile(r"\s*├ (?P<text>\S.*)")
_PROBLEM = re.compile(r" +- (?P<text>\S.*)")


def _fatal(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read what ended a program, with its stack trace if it has one."""
    found = one_line(lines, at, match)
    for index, line in following(lines, at):
        if line.startswith("  thrown in "):
            return replace(found, last=index)
        if not line.startswith(("Stack trace:", "#")):
            break
    return found


def _own_place(lines: Sequence[str], first: int, last: int) -> re.Match[str] | None:
    places = (_PLACE.match(line) for line in lines[first : last + 1])
    return next((place for place in places if place and "/vendor/" not in place["file"]), None)


def _phpunit(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read the first failing test below the headline of PHPUnit: text, blank line, frames."""
    test = _TEST.match(lines[at + 2]) if at + 3 < len(lines) else None
    if test is None:
        return None
    text_end = end(lines, at + 2, lambda line: bool(line.strip()))
    last = end(lines, text_end + 1, lambda line: _PLACE.match(line) is not None)
    text = sentence(lines[at + 3 : text_end + 1])
    return Finding(
        first=at + 2,
        last=min(last, len(lines) - 1),
        line=min(at + 3, text_end),
        text=f"{test['name']}: {text}",
    ).at(_own_place(lines, text_end, last))


def _testdox(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing test in PHPUnit's box."""
    last = end(lines, at, lambda line: _BOX.match(line) is not None)
    for index in range(at + 1, last + 1):
        if boxed := _BOXED.match(lines[index]):
            found = Finding(
                first=at, last=last, line=index, text=f"{match['name']}: {boxed['text']}"
            )
            return found.at(_own_place(lines, index, last))
    return None


def _unresolvable(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    """Read the first of the problems that keep Composer from choosing packages."""
    last = end(lines, at, lambda line: not line.strip() or is_indented(line))
    problems = [
        (index, problem)
        for index in range(at + 1, last + 1)
        if (problem := _PROBLEM.match(lines[index]))
    ]
    if not problems:
        return None
    line, problem = problems[0]
    return Finding(first=at, last=problems[-1][0], line=line, text=problem["text"])


def _console(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    """Read the box in which Symfony's console shows what a command threw."""
    if at + 2 >= len(lines) or lines[at + 1].strip():
        return None
    last = end(lines, at + 1, lambda line: bool(line.strip()))
    if last == at + 1:
        return None
    return Finding(first=at, last=last, line=at + 2, text=sentence(lines[at + 2 : last + 1]))


SHAPES: tuple[Shape, ...] = (
    *(
        shape(
            "php",
            f"{kind} error: ",
            rf"(?:PHP )?{kind} error: +(?P<text>.+?)"
            r"(?: in (?P<file>\S+?)(?: on line |:)(?P<line>\d+))?$",
            _fatal,
        )
        for kind in ("Fatal", "Parse")
    ),
    shape(
        "phpunit",
        "There w",
        r"There (?:was|were) \d+ (?:error|failure)s?:$",
        _phpunit,
    ),
    shape("phpunit", "✘ ", r"\s*✘ (?P<name>\S.*)", _testdox),
    shape("composer", "could not be resolved", r"Your requirements could not be", _unresolvable),
    shape("composer", ".php line ", r"In \w+\.php line \d+:$", _console),
    consequences("returned with error code", r"Script .+ returned with error code \d+"),
)
