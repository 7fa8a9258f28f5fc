"""The errors of Go: compiling, vet, tests, modules and panics."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
    Rank,
    Shape,
    consequences,
    following,
    is_indented,
    number,
    preceding,
    shape,
)

_GO_PLACE = re.compile(r"\s+(?P<file>[^\s:]+\.go):(?P<line>\d+)(?:: (?P<text>\S.*))?")
_GO_PASSED = re.compile(r"\s*(?:--- (?:PASS|FAIL|SKIP)|=== RUN)")
_GO_FAILED = re.compile(r"\s*--- FAIL: (?P<name>\S+)")
_GO_PANIC = re.compile(r"(?:panic|fatal error): (?P<text>.+)")


def _go_test(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read a failing test of Go: its message stands below it, with `-v` above it."""
    name = match["name"]
    for index, line in following(lines, at):
        if panic := _GO_PANIC.match(line):
            found = _go_panic(lines, index, panic)
            if found:
                return replace(found, first=at)
        if not is_indented(line):
            break
        if subtest := _GO_FAILED.match(line):
            name = subtest["name"]
        if (place := _GO_PLACE.match(line)) and place["text"]:
            return _go_message(at, index, place, name)
    nearest: tuple[int, re.Match[str]] | None = None
    for index, line in preceding(lines, at):
        if _GO_PASSED.match(line):
            break
        if (place := _GO_PLACE.match(line)) and place["text"]:
            nearest = index, place
    if nearest:
        return _go_message(nearest[0], *nearest, name, last=at)
    return Finding(first=at, last=at, line=at, text=f"{name} failed")


def _go_message(
    first: int,
    at: int,
    place: re.Match[str],
    name: str,
    last: int | None = None,
) -> Finding:
    return Finding(
        first=first,
        last=at if last is None else last,
        line=at,
        text=f"{name}: {place['text']}",
        file=place["file"],
        file_line=number(place["line"]),
    )


def _go_panic(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a panic, and the first frame outside of Go's own sources."""
    is_go, place = False, None
    last = at
    for index, line in following(lines, at):
        is_go = is_go or line.startswith("goroutine ")
        if is_go and not line.strip():
            break
        if line.strip():
            last = index
        if place is None and (frame := _GO_PLACE.match(line)):
            is_own = "/go/src/" not in frame["file"] or "/pkg/mod/" in frame["file"]
            place = frame if is_own else None
    if not is_go:
        return None
    return Finding(
        first=at,
        last=last,
        line=at,
        text=match["text"].removesuffix(" [recovered, repanicked]").removesuffix(" [recovered]"),
    ).at(place)


SHAPES: tuple[Shape, ...] = (
    consequences("FAIL\t", r"FAIL\t"),
    shape("go", "--- FAIL: ", _GO_FAILED.pattern, _go_test),
    shape("go", "panic: ", _GO_PANIC.pattern, _go_panic),
    shape("go", "fatal error: ", _GO_PANIC.pattern, _go_panic),
    shape(
        "go",
        ".go:",
        r"(?:vet: )?(?P<file>[^\s:]+\.go):(?P<line>\d+):\d+: (?P<text>.+)",
    ),
    shape(
        "go",
        "go: ",
        r"go: (?!downloading|finding|extracting|added|upgraded)(?P<text>.+)",
        rank=Rank.GENERAL,
    ),
)
