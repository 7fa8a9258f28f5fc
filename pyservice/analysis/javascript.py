"""The errors of Node, npm, TypeScript, Jest and Node's own test runner."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

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
    preceding,
    shape,
)

_AT = re.compile(r"\s+at (?:.*\()?(?:file://)?(?P<file>(?!node:)[^\s():]+):(?P<line>\d+):\d+\)?$")
_SOURCE = re.compile(r"(?P<file>/[^\s:]+):(?P<line>\d+)$")
_NPM = re.compile(r"npm (?:ERR!|error) ?(?P<text>.*)")
_NPM_DETAIL = re.compile(r"(?:code|syscall|errno|path|command|A complete log|node_modules) ?")
_NPM_PREFIX = re.compile(r"(?:notarget|404|network|JSON\.parse|enoent|[A-Z]{6,}) ")
_NPM_SCRIPT_FAILED = re.compile(r"(?:code (?:ELIFECYCLE|\d+)$|Lifecycle script)")
_TAP_PLACE = re.compile(r"\s+location: '(?P<file>.+):(?P<line>\d+):\d+'$")
_TEST_AT = re.compile(r"\s*test at (?P<file>[^\s:]+):(?P<line>\d+):\d+")
_JEST_NEXT = re.compile(r"\s{2}● |(?:PASS|FAIL) |Test Suites: ")
_EXPECTED = re.compile(r"\s+(?P<which>Expected|Received)(?: \w+)*: +(?P<value>\S.*)")


def _thrown(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read an error that ended a program, with its frames and the source line above it."""
    last, place = at, None
    for index, line in following(lines, at, 40):
        if line.lstrip().startswith("at "):
            last = index
            if place is None and (frame := _AT.match(line)) and "node_modules" not in frame["file"]:
                place = frame
        elif last > at or index - at > 12:
            break
    if last == at:
        return None
    first = at
    for index, line in preceding(lines, at, 6):
        if source := _SOURCE.match(line):
            first, place = index, source
            break
        if line.startswith("node:"):
            first = index
            break
    return Finding(
        first=first,
        last=last,
        line=at,
        text=match["text"],
    ).at(place)


def _npm(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read npm's own error; None if npm only reports that a script failed."""
    if at and _NPM.match(lines[at - 1]):
        return None  # the lines from the first one on were read
    last = end(lines, at, lambda line: _NPM.match(line) is not None)
    block = [(index, _NPM.match(lines[index])) for index in range(at, last + 1)]
    texts = [(index, found["text"].strip()) for index, found in block if found]
    if any(_NPM_SCRIPT_FAILED.match(text) for _, text in texts):
        return None
    telling = [(index, text) for index, text in texts if text and not _NPM_DETAIL.match(text)]
    if not telling:
        return None
    line, text = telling[0]
    shown = _NPM_PREFIX.sub("", text, count=1)
    if len(telling) > 1 and shown[-1] not in ".:;" and len(shown) > 60:
        shown = f"{shown} {telling[1][1]}".partition(". ")[0]  # npm breaks long sentences
    for (_, one), (below, another) in pairwise(telling):
        if one.startswith("Could not resolve dependency"):
            line, shown = below, f"{shown}: {another}"
    return Finding(first=at, last=min(last, line + 10), line=line, text=shown)


def _jest(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing test of Jest, or a file of tests that can't be run."""
    last = end(lines, at, lambda line: _JEST_NEXT.match(line) is None)
    while last > at and not lines[last].strip():
        last -= 1
    body = [index for index in range(at + 1, last + 1) if lines[index].strip()]
    if not body:
        return None
    place = next((frame for index in body if (frame := _AT.match(lines[index]))), None)
    if place and "node_modules" in place["file"]:
        own = (frame for index in body if (frame := _AT.match(lines[index])))
        place = next((frame for frame in own if "node_modules" not in frame["file"]), None)
    values = {
        found["which"]: found["value"] for index in body if (found := _EXPECTED.match(lines[index]))
    }
    text = lines[body[0]].strip()
    if len(values) == 2:
        text = f"expected {values['Expected']}, received {values['Received']}"
    name = match["name"].strip()
    return Finding(
        first=at,
        last=last,
        line=body[0],
        text=text if name == "Test suite failed to run" else f"{name}: {text}",
    ).at(place)


def _tap(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read a failing test in TAP, as Node's test runner prints it without a terminal."""
    last = end(lines, at, lambda line: is_indented(line) or not line.strip())
    place, text, line = None, "failed", at
    for index in range(at + 1, last + 1):
        stripped = lines[index].strip()
        place = place or _TAP_PLACE.match(lines[index])
        if stripped.startswith("error: "):
            text, line = stripped.removeprefix("error: ").strip("'\""), index
            if text.startswith("|"):
                below = (one for one in lines[index + 1 : last + 1] if one.strip())
                text, line = next(below, "failed").strip(), index + 1
    values = [lines[index].strip() for index in range(line + 1, min(line + 4, last + 1))]
    text += "".join(f" {value}" for value in values if " !== " in value)
    return Finding(
        first=at,
        last=last,
        line=line,
        text=f"{match['name']}: {text}",
    ).at(place)


def _node_spec(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read the first failing test below the headline of Node's test runner."""
    place, name = None, ""
    for index, line in following(lines, at, 20):
        if found := _TEST_AT.match(line):
            place = found
        elif place and line.lstrip().startswith("✖ "):
            name = line.strip().removeprefix("✖ ").partition(" (")[0]
        elif name and line.strip():
            last = end(lines, index, lambda one: one.lstrip() != "" and "✖" not in one)
            return Finding(
                first=at,
                last=last,
                line=index,
                text=f"{name}: {line.strip()}",
            ).at(place)
    return None


def _tsc(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read an error of TypeScript; the pretty form has its source lines below it."""
    last = at
    if match[0].count(" - error "):
        for index, line in following(lines, at, 6):
            if "~" in line:
                last = index
                break
    return replace(one_line(lines, at, match), first=begin(lines, at, lambda _: False), last=last)


SHAPES: tuple[Shape, ...] = (
    shape(
        "tsc",
        "error TS",
        r"(?P<file>[^\s(:]+)\((?P<line>\d+),\d+\): (?P<text>error TS\d+: .+)",
        _tsc,
    ),
    shape(
        "tsc",
        "error TS",
        r"(?P<file>[^\s(:]+):(?P<line>\d+):\d+ - (?P<text>error TS\d+: .+)",
        _tsc,
    ),
    shape("jest", "● ", r"\s*● (?P<name>(?!Console$).+)$", _jest),
    shape("node", "not ok ", r"\s*not ok \d+ - (?P<name>(?!.* # (?:TODO|SKIP)).+)", _tap),
    shape("node", "failing tests:", r"✖ failing tests:$", _node_spec),
    *(
        shape("npm", guard, r"npm (?:ERR!|error)(?: |$)", _npm)
        for guard in ("npm ERR!", "npm error")
    ),
    *(
        shape(
            "node",
            guard,
            r"(?:Uncaught )?(?P<text>(?:[A-Za-z]\w*\.)*[A-Z]\w*(?: \[\w+\])?: .+)",
            _thrown,
            Rank.TRACE,
        )
        for guard in ("Error: ", "Error [")
    ),
    consequences("npm ERR!", r"npm ERR!"),
    consequences("npm error", r"npm error"),
)
