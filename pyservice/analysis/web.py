"""The errors of ESLint, Prettier, webpack, Vite, Vitest, Mocha, Yarn and pnpm."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
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

_LINT = re.compile(r"\s+\d+:\d+\s+(?:error|warning)\s")
_WARNED = re.compile(r"\[warn\] (?P<file>\S.*)")
_WEBPACK_PLACE = re.compile(
    r"(?:\./)?(?P<file>(?=[^\s:]*[./])[^\s:]++)(?:[ :](?P<line>\d+):\d+.*)?$"
)
_PLUGIN = re.compile(r"(?:\[[\w:.@/-]+\]:? |\[plugin [^\]]+\] )*")
_ROLLUP = re.compile(r"(?P<file>[^\s()]+) \((?P<line>\d+):\d+\): (?P<text>.+)")
_IMPORTER = re.compile(r'.* from "(?P<file>[^"]+)"')
_VITEST_PLACE = re.compile(r" ❯ (?P<file>(?!.*node_modules)[^\s:]+):(?P<line>\d+):\d+$")
_CODE = re.compile(r"\s+\d*\|")
_MOCHA = re.compile(r"  \d+\) (?P<name>\S.*)")
_MOCHA_PLACE = re.compile(
    r"\s+at (?>.*\()?(?P<file>(?!node:|.*node_modules)[^\s():]+):(?P<line>\d+):\d+\)?$"
)


def _eslint(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read a finding of ESLint; the file stands above its findings."""
    found = one_line(lines, at, match)
    if match["rule"]:
        found = replace(found, text=f"{found.text} ({match['rule']})")
    first = begin(lines, at, lambda line: _LINT.match(line) is not None) - 1
    if first < 0 or not lines[first].strip():
        return replace(found, file_line=None)
    return replace(found, first=first, file=lines[first].strip())


def _eslint_failed(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    for index, line in following(lines, at, 8):
        if line.strip() and not line.startswith("ESLint: "):
            return Finding(first=at, last=index, line=index, text=line.strip())
    return None


def _prettier(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read which files Prettier would write otherwise: they stand above."""
    found = one_line(lines, at, match)
    first = begin(lines, at, lambda line: _WARNED.match(line) is not None)
    if first < at and (file := _WARNED.match(lines[first])):
        return replace(found, first=first, line=first, file=file["file"])
    return found


def _webpack(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read an error of webpack, without the places in which it looked for a module."""
    last = end(lines, at, lambda line: bool(line.strip()) and not line.startswith("resolve '"))
    if last == at:
        return None
    found = Finding(first=at, last=last, line=at + 1, text=lines[at + 1].strip())
    return found.at(_WEBPACK_PLACE.match(match["place"]))


def _webpack_config(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    found = one_line(lines, at, match)
    if found.text.startswith("Invalid ") and at + 1 < len(lines):
        detail = lines[at + 1].strip().removeprefix("- ")
        text = detail.partition(". These properties are valid")[0]
        return replace(found, last=at + 1, line=at + 1, text=text)
    return found


def _vite(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    """Read why Vite could not build, with the source lines that Rollup shows."""
    if at + 1 >= len(lines):
        return None
    last = end(lines, at, lambda line: not line.startswith("    at "))
    while last > at and not lines[last].strip():
        last -= 1
    text = _PLUGIN.sub("", lines[at + 1], count=1).strip()
    found = Finding(first=at, last=max(last, at + 1), line=at + 1, text=text)
    if place := _ROLLUP.match(text):
        return replace(
            found, text=place["text"], file=place["file"], file_line=number(place["line"])
        )
    importer = _IMPORTER.match(text)
    return replace(found, file=importer["file"]) if importer else found


def _vitest(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing test of Vitest, or a file of tests that can't be run."""
    for index, line in following(lines, at):
        if place := _VITEST_PLACE.match(line):
            last = end(lines, index, lambda code: _CODE.match(code) is not None)
            text = lines[at + 1].strip()
            name = match["name"]
            return Finding(
                first=at, last=last, line=at + 1, text=f"{name}: {text}" if name else text
            ).at(place)
    return None


def _mocha(lines: Sequence[str], at: int, _: re.Match[str]) -> Finding | None:
    """Read the first failing test below the counts of Mocha."""
    first = next((index for index, line in following(lines, at, 3) if _MOCHA.match(line)), None)
    if first is None:
        return None
    last = end(lines, first, lambda line: _MOCHA.match(line) is None)
    named = next((one for one in range(first, last + 1) if lines[one].endswith(":")), None)
    if named is None:
        return None
    body = [index for index in range(named + 1, last + 1) if lines[index].strip()]
    if not body:
        return None
    name = sentence(lines[first : named + 1]).partition(") ")[2].removesuffix(":")
    text = lines[body[0]].strip()
    if text.endswith(":") and len(body) > 1:
        text = f"{text} {lines[body[1]].strip()}"
    frames = [index for index in body if lines[index].lstrip().startswith("at ")]
    places = (_MOCHA_PLACE.match(lines[index]) for index in frames)
    return Finding(
        first=first,
        last=frames[-1] if frames else body[-1],
        line=body[0],
        text=f"{name}: {text}",
    ).at(next((place for place in places if place), None))


def _yarn(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read Yarn's own error: below it, it says where its help is."""
    visits = any(line.startswith("info Visit ") for _, line in following(lines, at, 3))
    began = any(line.startswith("yarn ") for _, line in preceding(lines, at))
    return one_line(lines, at, match) if visits and began else None


SHAPES: tuple[Shape, ...] = (
    shape(
        "eslint",
        "  error  ",
        r"\s+(?P<line>\d+):\d+\s+error\s\s+(?P<text>\S.*?)(?:(?<=\S)\s\s+(?P<rule>[\w@/-]+))?$",
        _eslint,
    ),
    shape("eslint", "Oops! Something", r"Oops! Something went wrong! :\($", _eslint_failed),
    shape("prettier", "Code style issues", r"\[warn\] (?P<text>Code style issues .+)", _prettier),
    shape("webpack", "ERROR in ", r"ERROR in (?P<place>\S.*)", _webpack),
    shape("webpack", "[webpack-cli] ", r"\[webpack-cli\] (?P<text>\S.*)", _webpack_config),
    shape("vite", "error during build:", r"error during build:$", _vite),
    shape("vitest", "FAIL ", r" ?FAIL  \S+(?: > (?P<name>.+)| \[ .+ \])$", _vitest),
    shape("mocha", " failing", r"\s+\d+ failing$", _mocha),
    shape("yarn", "error ", r"error (?P<text>(?!Command failed )[A-Z]\S.*)", _yarn),
    consequences("Command failed ", r"error Command failed with exit code"),
    shape("pnpm", "ERR_PNPM_", r"\s*ERR_PNPM_(?!RECURSIVE_RUN)\w+\s+(?P<text>\S.*)"),
    consequences("ELIFECYCLE", r"\s*ELIFECYCLE\s+Command failed"),
)
