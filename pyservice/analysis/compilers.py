"""The errors of gcc, clang, the linker, make, CMake and ctest."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import (
    Finding,
    Shape,
    begin,
    consequences,
    end,
    is_indented,
    number,
    one_line,
    sentence,
    shape,
)

_CONTEXT = re.compile(r"In file included from |\s+from |.*(?:: In |: At |   required from )")
_REQUIRED = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+):\d+:\s+required from here")
_INSTANTIATED = re.compile(
    r"(?P<file>[^\s:]+):(?P<line>\d+):\d+: note: in instantiation of .* requested here$"
)
_SANITIZED = re.compile(r"\s+#\d+ 0x[0-9a-f]+ in (?P<text>\S+) (?P<file>/[^\s:]+):(?P<line>\d+)")
_TELLING = re.compile(r"(?i).*(?:error|fail|expect|assert)")
_CTEST_NEXT = re.compile(r"\s*(?:Start +\d+: |\d+/\d+ Test |\d+% tests passed)")


def _diagnostic(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read a compiler's error with what leads to it, its source line and the caret."""
    first = begin(lines, at, lambda line: _CONTEXT.match(line) is not None)
    found = Finding(
        first=first,
        last=end(lines, at, is_indented),
        line=at,
        text=match["text"],
        file=match["file"],
        file_line=number(match["line"]),
    )
    if match["file"].startswith("/usr/"):
        for index in range(at - 1, first - 1, -1):
            if user := _REQUIRED.match(lines[index]):
                return _moved(found, user)
        return _instantiated(lines, found)
    return found


def _instantiated(lines: Sequence[str], found: Finding) -> Finding:
    """Return clang's error in a library's template at the place in the project that uses it."""
    last = found.last
    while last + 1 < len(lines) and (note := _INSTANTIATED.match(lines[last + 1])):
        last = end(lines, last + 1, is_indented)
        if not note["file"].startswith("/usr/"):
            return replace(_moved(found, note), last=last)
    return found


def _moved(found: Finding, place: re.Match[str]) -> Finding:
    return replace(found, file=place["file"], file_line=number(place["line"]))


def _sanitizer(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    found = one_line(lines, at, match)
    last = end(lines, at, lambda line: bool(line.strip()))
    for index in range(at + 1, last + 1):
        frame = _SANITIZED.match(lines[index])
        if frame and "sanitizer" not in frame["file"]:
            found = _moved(found, frame)
            break
    return replace(found, last=last)


def _cmake(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read CMake's error: the paragraph below it that says most."""
    last = end(lines, at, lambda line: not line or is_indented(line))
    paragraphs: list[list[str]] = [[]]
    for line in lines[at + 1 : last + 1]:
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    texts = [sentence(one) for one in paragraphs if one]
    could_not = next((text for text in texts if text.startswith("Could not find")), None)
    text = match["text"] or could_not or next(iter(texts), "") or match[0]
    while last > at and not lines[last].strip():
        last -= 1
    return Finding(
        first=at,
        last=last,
        line=at,
        text=text.removesuffix(" with any of the following names:"),
        file=match["file"],
        file_line=number(match["line"]),
    )


def _ctest(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    last = end(lines, at, _is_ctest_output)
    output = [index for index in range(at + 1, last + 1) if lines[index].strip()]
    telling = next((one for one in output if _TELLING.match(lines[one])), next(iter(output), at))
    text = f"test {match['name']}: {match['why'].lower()}"
    return Finding(
        first=at,
        last=output[-1] if output else at,
        line=telling,
        text=text if telling == at else f"{text}: {lines[telling].strip()}",
    )


def _is_ctest_output(line: str) -> bool:
    return _CTEST_NEXT.match(line) is None


SHAPES: tuple[Shape, ...] = (
    consequences("ld returned", r"collect2: error: ld returned"),
    consequences(
        "warnings being treated", r"cc1\w*: (?:all|some) warnings being treated as errors"
    ),
    consequences("linker command failed", r"clang\S*: error: linker command failed"),
    consequences("terminated.", r"compilation terminated\."),
    consequences("*** [", r"[\w-]*make(?:\[\d+\])?: \*\*\* \["),
    consequences("not remade", r"[\w-]*make(?:\[\d+\])?: Target .* not remade"),
    consequences("errors occurred", r"-- Configuring incomplete, errors occurred"),
    consequences("FAILED: ", r"FAILED: \S+"),
    consequences("ninja: build stopped", r"ninja: build stopped"),
    consequences("running CTest", r"Errors while running CTest"),
    shape(
        "gcc",
        "error: ",
        r"\s*(?P<file>[^\s:]+\.(?!go:|java:|py:)\w+):(?P<line>\d+):(?:\d+:)? "
        r"(?P<text>(?:fatal )?error: .+)",
        _diagnostic,
    ),
    shape("gcc", "fatal error: ", r"(?:cc1\w*|g?cc|clang|g\+\+): fatal error: (?P<text>.+)"),
    shape("gcc", "error: ", r"(?:cc1\w*|g?cc|clang|g\+\+|c\+\+): error: (?P<text>.+)"),
    *(
        shape(
            "ld",
            guard,
            r"(?:\S*\bld: )?(?P<file>[^\s:]+):(?:(?P<line>\d+)|\([^)]*\)): "
            rf"(?P<text>{guard} .+)",
        )
        for guard in ("undefined reference to", "multiple definition of")
    ),
    shape("ld", "ld: cannot find", r"\S*\bld: (?P<text>cannot find .+)"),
    shape("gcc", "Sanitizer: ", r"==\d+==ERROR: (?P<text>\w+Sanitizer: \S+)", _sanitizer),
    shape(
        "gcc",
        "runtime error: ",
        r"(?P<file>[^\s:]+):(?P<line>\d+):\d+: (?P<text>runtime error: .+)",
    ),
    shape(
        None,
        "Assertion `",
        r"[^:]*: (?P<file>[^\s:]+):(?P<line>\d+): [^`]*(?P<text>\bAssertion `.*' failed)",
    ),
    shape(
        "make",
        "*** No rule",
        r"[\w-]*make(?:\[\d+\])?: \*\*\* (?P<text>No rule to make .+?)(?:  Stop)?\.?$",
    ),
    shape(
        "make",
        ": *** ",
        r"(?P<file>(?!make\b)[^\s:]+):(?P<line>\d+): \*\*\* (?P<text>.+?)(?:  Stop)?\.?$",
    ),
    *(
        shape("make", guard, rf"[\w-]*make(?:\[\d+\])?: (?P<text>[^:*]+: {guard})$")
        for guard in ("No such file or directory", "Permission denied", "Command not found")
    ),
    shape(
        "cmake",
        "CMake Error",
        r"CMake Error(?: at (?P<file>[^:]+):(?P<line>\d+) \([^)]*\))?:(?: (?P<text>\S.*))?",
        _cmake,
    ),
    shape(
        "ctest",
        "***",
        r"\s*\d+/\d+ Test +#\d+: (?P<name>\S+) \.*\s*"
        r"\*\*\*(?P<why>Failed|Timeout|Not Run|Exception)",
        _ctest,
    ),
)
