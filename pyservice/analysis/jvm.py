"""The errors of javac, Maven, Surefire, and exceptions of the JVM."""

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
    is_indented,
    one_line,
    sentence,
    shape,
)

_DETAIL = re.compile(r"(?:\[ERROR\])?\s+(?P<name>symbol|location): +(?P<value>\S.*)")
_AT = re.compile(r"\s+at (?:[\w.-]*//?)?(?P<method>[\w.$<>]+)\((?P<file>[^():]+):(?P<line>\d+)\)")
_TRACE = re.compile(r"\s+(?:at |\.\.\. \d+ )|(?:Caused by|\s+Suppressed): ")
_LIBRARY = re.compile(
    r"(?:java|javax|jdk|sun|com\.sun|groovy|org\.(?:junit|opentest4j|hamcrest|assertj|mockito|gradle"
    r"|codehaus\.groovy|apache\.(?:maven|groovy)|jenkinsci)|hudson|jenkins|kotlin)\."
)
"""Classes that are never the project's own."""
_RESOLUTION = re.compile(
    r"(?:.*: )?(?P<text>Could not (?:find|transfer) artifact .+?|\S+ was not found in \S+)"
    r"(?: during a .*| -> \[Help \d+\])?$"
)
_UNREACHABLE = re.compile(
    r"(?P<what>Could not transfer artifact \S+) from/to \S+ \([^)]*\): "
    r"(?:transfer failed for \S+: )?(?P<why>.+)"
)
_POM = re.compile(r"\((?P<file>[^()]+\.xml)\) has \d+ error")
_FLAKES = "[WARNING] Flakes: "


def _javac(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read an error of javac, or of Maven's compiler, and the symbol that was not found."""
    last = end(lines, at, lambda line: is_indented(line) or _DETAIL.match(line) is not None)
    symbols = [
        detail["value"]
        for line in lines[at + 1 : last + 1]
        if (detail := _DETAIL.match(line)) and detail["name"] == "symbol"
    ]
    found = one_line(lines, at, match)
    text = found.text if not symbols else f"{found.text}: {sentence(symbols[:1])}"
    return replace(found, last=last, text=text)


def _exception(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read an exception with its stack trace: the last cause says most."""
    last = end_of_trace(lines, at)
    if last is None:
        return None
    root = at
    for index in range(at + 1, last + 1):
        if lines[index].startswith("Caused by: "):
            root = index
    text = match["text"] if root == at else lines[root].removeprefix("Caused by: ")
    place = own_frame(lines[root : last + 1]) or own_frame(lines[at : last + 1])
    return Finding(
        first=at,
        last=last,
        line=root,
        text=text,
    ).at(place)


def end_of_trace(lines: Sequence[str], at: int) -> int | None:
    """Return the last line of an exception's stack trace; None if it has none."""
    begins = next(
        (index for index, line in following(lines, at, 6) if _TRACE.match(line)),
        None,
    )
    if begins is None:
        return None
    last = begins
    while last + 1 < min(len(lines), at + 400) and _TRACE.match(lines[last + 1]):
        last += 1
    return last


def own_frame(lines: Sequence[str], owner: str = "") -> re.Match[str] | None:
    """Return the first frame of the project's own classes, or of one class."""
    for line in lines:
        frame = _AT.match(line)
        if frame and not _LIBRARY.match(frame["method"]) and frame["method"].startswith(owner):
            return frame
    return None


def _surefire(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read a failing test of Surefire, unless it is one that passed when it was run again."""
    if _is_flaky(lines, match["name"]):
        return None
    last = end_of_trace(lines, at)
    if last is None or at + 1 >= len(lines):
        return Finding(first=at, last=at, line=at, text=f"{match['name']} failed")
    owner = match["name"].rpartition(".")[0]
    place = own_frame(lines[at : last + 1], owner) or own_frame(lines[at : last + 1])
    error = lines[at + 1].strip().removeprefix("org.opentest4j.")
    return Finding(
        first=at,
        last=last,
        line=at + 1,
        text=f"{match['name'].rpartition('.')[2]}: {error}",
    ).at(place)


def _is_flaky(lines: Sequence[str], name: str) -> bool:
    if _FLAKES not in lines:
        return False
    return f"[WARNING] {name}" in lines[lines.index(_FLAKES) :]


def _resolution(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read which artifact Maven could not get, and why."""
    found = _RESOLUTION.match(match["text"])
    text = found["text"] if found else match["text"]
    if reached := _UNREACHABLE.search(text):
        text = f"{reached['what']}: {reached['why']}"
    return Finding(first=at, last=at, line=at, text=text)


def _pom(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read what is wrong with a pom.xml; Maven names the file further down."""
    found = one_line(lines, at, match)
    for _, line in following(lines, at, 8):
        if file := _POM.search(line):
            return replace(found, file=file["file"])
    return replace(found, file_line=None)


SHAPES: tuple[Shape, ...] = (
    consequences("[ERROR] ", r"\[ERROR\] (?:-> )?\[Help \d+\]"),
    consequences(
        "[ERROR] ", r"\[ERROR\] (?:COMPILATION ERROR|Tests run:|Failures: |Errors: |  Run \d)"
    ),
    consequences(
        "[ERROR] ",
        r"\[ERROR\] (?:There are test failures|Please refer to|To see the full|Re-run Maven|"
        r"For more information|After correcting|The build could not read)",
    ),
    shape(
        "javac",
        ".java:",
        r"\s*(?::\w+(?=/))?(?P<file>[^\s:]+\.java):(?P<line>\d+): (?P<text>error: .+)",
        _javac,
    ),
    shape(
        "maven",
        ":[",
        r"\[ERROR\] (?P<file>[^\s:]+\.\w+):\[(?P<line>\d+),\d+\] (?P<text>.+)",
        _javac,
    ),
    shape(
        "maven",
        "<<< ",
        r"\[ERROR\] (?P<name>(?!Tests run:)[^\s(]+).* <<< (?:FAILURE|ERROR)!$",
        _surefire,
    ),
    shape(
        "maven",
        "resolve",
        r"\[ERROR\] (?P<text>(?:Failed to execute goal on project .*: Could not resolve|"
        r"Plugin \S+ or one of its dependencies could not be resolved).+)",
        _resolution,
    ),
    shape(
        "maven",
        " @ ",
        r"\[ERROR\]\s+(?P<text>[^@]+?) @ (?:\S+, )?line (?P<line>\d+)",
        _pom,
    ),
    consequences("[ERROR] Failed to execute goal", r"\[ERROR\] Failed to execute goal"),
    shape(
        "java",
        "Exception in thread",
        r'Exception in thread "[^"]*" (?P<text>\S.*)',
        _exception,
    ),
    shape("java", "main class", r"Error: (?P<text>Could not find or load main class .+)"),
    *(
        shape(
            "java",
            kind,
            rf"(?P<text>(?:[a-z_]\w*\.)+[A-Z][\w$]*{kind}(?:: .*)?$)",
            _exception,
            Rank.TRACE,
        )
        for kind in ("Exception", "Error")
    ),
    shape("maven", "[ERROR] ", r"\[ERROR\]\s+(?P<text>[^\s\[].*)", rank=Rank.GENERAL),
)
