"""The errors of Ansible, Ant, Kotlin and Scala, and of tox, Poetry and Black."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.jvm import end_of_trace, own_frame
from pyservice.analysis.shape import (
    Finding,
    Rank,
    Shape,
    begin,
    consequences,
    end,
    following,
    is_indented,
    one_line,
    sentence,
    shape,
)

_ORIGIN = re.compile(r"Origin: (?P<file>/[^:]+):(?P<line>\d+):\d+$")
_STDERR = re.compile(r'fatal: \[[^\]]+\]: FAILED! => .*"stderr": "(?P<text>[^"\\]+)')
"""How Ansible shows what a command said."""
_POINTS = re.compile(r"\s+\^ column \d+$")
_ANT = re.compile(r"(?:(?P<file>/[^:]+|[A-Z]:[^:]+):(?P<line>\d+): )?(?P<text>\S.*)")
_ANT_VAGUE = re.compile(r"(?:Compile failed; see|Test \S+ failed|(?:exec|Java) returned: )")
"""What Ant says of a tool that said more by itself."""


def _ansible(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read why a task failed, and where it is; None if the play ignores it."""
    origin, stderr = None, None
    for _, line in following(lines, at):
        stderr = stderr or _STDERR.match(line)
        if origin is None:
            origin = _ORIGIN.match(line)
        if line.startswith("...ignoring"):
            return None
        if line.startswith(("TASK [", "[ERROR]: ", "PLAY RECAP")):
            break
    if origin is None:
        return None
    last = next((index for index, line in following(lines, at) if _POINTS.match(line)), at)
    found = one_line(lines, at, match)
    if stderr and found.text.endswith("non-zero return code"):
        found = replace(found, text=stderr["text"])
    return replace(found, last=last).at(origin)


def _ansible_host(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read how a task ended on one host; None if the play ignores it."""
    is_ignored = at + 1 < len(lines) and lines[at + 1].startswith("...ignoring")
    return None if is_ignored else one_line(lines, at, match)


def _ant(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read why Ant failed; None if it only says that a tool did."""
    found = _ant_failed(lines, at, match)
    return None if found is None or _ANT_VAGUE.match(found.text) else found


def _ant_failed(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    why = _ANT.match(lines[at + 1]) if at + 1 < len(lines) else None
    while why and why["text"].startswith("The following error occurred") and at + 2 < len(lines):
        at += 1
        why = _ANT.match(lines[at + 1])
    if why is None or why["text"].startswith("Total time"):
        return None
    return Finding(first=at + 1, last=at + 1, line=at + 1, text=why["text"]).at(why)


def _ant_test(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing test of Ant's task junit."""
    if at + 2 >= len(lines) or lines[at + 1].strip() not in {"FAILED", "Caused an ERROR"}:
        return None
    last = end_of_trace(lines, at + 2)
    last = at + 2 if last is None else last
    return Finding(
        first=at, last=last, line=at + 2, text=f"{match['name']}: {lines[at + 2].strip()}"
    ).at(own_frame(lines[at + 2 : last + 1]))


def _scala(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read an error of Scala's compiler, and which types it found and required."""
    last = end(lines, at, is_indented)
    return replace(
        one_line(lines, at, match),
        last=last,
        text=sentence([match["text"], *lines[at + 1 : last + 1]]),
    )


def _solver(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding:
    """Read why no versions go together; it can take several lines."""
    first = at
    if not lines[at].startswith("Because "):
        first = begin(
            lines, at, lambda line: line.lstrip().startswith(("Because ", "And ", "and "))
        )
    return Finding(first=first, last=at, line=at, text=sentence(lines[first : at + 1]))


SHAPES: tuple[Shape, ...] = (
    shape("ansible", "[ERROR]: ", r"\[ERROR\]: (?P<text>\S.*)", _ansible),
    *(
        shape(
            "ansible",
            f"{word}! => ",
            rf'fatal: \[[^\]]+\]: {word}! => .*"msg": "(?P<text>[^"]+)',
            _ansible_host,
        )
        for word in ("FAILED", "UNREACHABLE")
    ),
    shape("ant", "BUILD FAILED", r"BUILD FAILED$", _ant),
    shape("ant", "BUILD FAILED", r"BUILD FAILED$", _ant_failed, Rank.CONSEQUENCE),
    shape("junit", "Testcase: ", r"Testcase: (?P<name>[^\s(:]+)", _ant_test),
    *(
        shape(
            tool,
            ".kt",
            rf"{begins} (?:file://)?(?P<file>[^\s:]+\.kts?):(?: \()?(?P<line>\d+)[:,] ?\d+\)?:? "
            r"(?P<text>.+)",
        )
        for tool, begins in (("maven", r"\[ERROR\]"), ("kotlin", "e:"))
    ),
    shape(
        "maven",
        ".scala:",
        r"\[ERROR\] (?P<file>[^\s:]+\.scala):(?P<line>\d+): (?P<text>.+)",
        _scala,
    ),
    shape("tox", ": Exception running", r"\S+: (?P<text>Exception running subprocess .+)"),
    consequences(": exit ", r"\S+: exit \d+ \("),
    shape("poetry", "version solving failed", r".*version solving failed", _solver),
    shape("poetry", "poetry.lock", r"(?P<text>pyproject\.toml changed significantly .+)"),
    shape("black", "ould reformat", r"(?P<text>[Ww]ould reformat:? (?P<file>\S.*))"),
    shape("pytest", "Required test coverage", r"FAIL (?P<text>Required test coverage .+)"),
    shape("coverage", "Coverage failure: ", r"(?P<text>Coverage failure: .+)", rank=Rank.GENERAL),
)
