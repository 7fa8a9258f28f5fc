"""The shape of an error in a log: how a line is known as one, and what is read around it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

MAX_BLOCK = 60
"""Lines that a reader goes forward from a line, or back."""
MAX_MESSAGE = 400
"""Characters."""
_TIMESTAMP = re.compile(r"^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] ?")
"""What the Timestamper plugin puts before a line."""
_SHOWN_BY = re.compile(r"#\d+ \d+\.\d+ | {2,10}\[[a-z]{2,9}\] ")
"""What BuildKit (`#8 1.99 `) and Ant (`    [javac] `) put before the lines of what they run."""


class Rank(IntEnum):
    """How surely a line of some shape is why a step failed; a lower one is surer."""

    CAUSE = 0
    """A tool's own verdict, such as a compiler's error or a test that failed."""
    TRACE = 1
    """A stack trace; a program may have gone on after it."""
    GENERAL = 2
    """What programs of all kinds print: `error: …`, `x: No such file or directory`."""
    CONSEQUENCE = 3
    """What follows from an error above: `make: *** [all] Error 2`."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An error as a reader found it; line numbers begin at 0."""

    first: int
    last: int
    line: int
    text: str
    """What is wrong, in the tool's words."""
    file: str | None = None
    file_line: int | None = None
    tool: str | None = None
    """The tool, where the shape doesn't name it."""
    is_doubtful: bool = False
    """Whether the program went on after it."""

    def at(self, place: re.Match[str] | None) -> Self:
        """Return it with the groups `file` and `line` of a place; unchanged if there is none."""
        if place is None:
            return self
        return replace(self, file=place["file"], file_line=number(place["line"]))


Reader = Callable[[Sequence[str], int, "re.Match[str]"], Finding | None]


@dataclass(frozen=True)
class Shape:
    """One shape of an error: a line that has `guard` and matches `pattern` from its beginning."""

    tool: str | None
    guard: str
    """A text that every such line has: a search for it is much cheaper than the pattern."""
    pattern: re.Pattern[str]
    read: Reader
    rank: Rank = Rank.CAUSE


def shape(
    tool: str | None,
    guard: str,
    pattern: str,
    read: Reader | None = None,
    rank: Rank = Rank.CAUSE,
) -> Shape:
    """Return a shape; without a reader it is one line, read by the groups of its pattern."""
    return Shape(tool, guard, re.compile(pattern), read or one_line, rank)


def consequences(guard: str, pattern: str) -> Shape:
    """Return the shape of lines that only follow from an error."""
    return shape(None, guard, pattern, rank=Rank.CONSEQUENCE)


def one_line(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read one line by its groups `text`, `file` and `line`, as far as the pattern has them."""
    groups = match.groupdict()
    return Finding(
        first=at,
        last=at,
        line=at,
        text=groups.get("text") or lines[at].strip(),
        file=groups.get("file"),
        file_line=number(groups.get("line")),
    )


def number(text: str | None) -> int | None:
    """Return a line number; None if there is none, or none of a real file."""
    return int(text) if text and len(text) < 9 else None


def end(lines: Sequence[str], at: int, is_part: Callable[[str], bool]) -> int:
    """Return the last of the lines after `at` that belong to it, at most MAX_BLOCK further."""
    last = at
    while last + 1 < min(len(lines), at + MAX_BLOCK) and is_part(lines[last + 1]):
        last += 1
    return last


def begin(lines: Sequence[str], at: int, is_part: Callable[[str], bool]) -> int:
    """Return the first of the lines before `at` that belong to it, at most MAX_BLOCK back."""
    first = at
    while first > max(0, at - MAX_BLOCK) and is_part(lines[first - 1]):
        first -= 1
    return first


def following(lines: Sequence[str], at: int, count: int = MAX_BLOCK) -> Iterator[tuple[int, str]]:
    """Yield the next lines after `at`, with their numbers."""
    for index in range(at + 1, min(len(lines), at + 1 + count)):
        yield index, lines[index]


def preceding(lines: Sequence[str], at: int, count: int = MAX_BLOCK) -> Iterator[tuple[int, str]]:
    """Yield the lines before `at`, the nearest first, with their numbers."""
    for index in range(at - 1, max(-1, at - 1 - count), -1):
        yield index, lines[index]


def is_indented(line: str) -> bool:
    """Return whether a line begins with a blank, and has more."""
    return line[:1] in {" ", "\t"} and bool(line.strip())


def without_timestamp(line: str) -> str:
    """Return a line of a log without the time that Jenkins' Timestamper plugin puts before it."""
    return _TIMESTAMP.sub("", line, count=1) if line.startswith("[20") else line


def bare(line: str) -> str:
    """Return a line of a log as the tool wrote it, without what others put before it."""
    line = without_timestamp(line)
    return _SHOWN_BY.sub("", line, count=1) if line[:1] in {"#", " "} else line


def sentence(parts: Iterable[str]) -> str:
    """Return lines as one, with single blanks between their words."""
    return " ".join(" ".join(parts).split())
