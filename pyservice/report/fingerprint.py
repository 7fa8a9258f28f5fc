"""An error → what is the same of it each time: its fingerprint. Pure.

Two builds that fail for one reason rarely say it in the same letters: an address, a time, a
workspace or an object's number differs. Those are taken out; the error's class, its words and its
first stack frame stay.
"""

import re

from pyservice.report.schema import Report

LONGEST = 400
"""Characters of a line that are looked at."""
_LINES = 500
"""Lines of an error or a log that are looked at."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_VARIABLE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>"),
        (
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
            "<time>",
        ),
        (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
        # Scratch folders: nothing below them has a name that stays.
        (r"(?<![\w.:/])(?:/private)?(?:/var)?/tmp/[^\s'\":,;)\]]+", "<tmp>"),
        (r"\b[A-Za-z]:\\[^\s'\":,;)\]]*\\Te?mp\\[^\s'\":,;)\]]+", "<tmp>"),
        # Of other paths the file's name stays: workspaces and agents differ, sources don't.
        (r"(?<![\w.:/>])/(?:[^\s/'\":,;()\[\]]+/)+(?=[^\s/'\":,;()\[\]]*)", ""),
        (r"\b[A-Za-z]:\\(?:[^\s\\'\":,;()\[\]]+\\)*", ""),
        (r"(?i)\b0x[0-9a-f]+\b", "<hex>"),
        (r"(?i)\b(?=[a-f]*\d)[0-9a-f]{7,}\b", "<hex>"),
        (r"@[0-9a-f]{5,8}\b", "@<hex>"),
        (
            r"(?i)\b(?:\d+(?:[.,]\d+)?\s*"
            r"(?:ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)\b\s*)+",
            "<duration> ",
        ),
        (r"\d+(?:[.,:]\d+)*", "<n>"),
        (r"\s+", " "),
    )
)

_FRAMES = (
    re.compile(r"^\s*at (?:[\w.-]*//?)?[\w.$<>]+\([^)]*\)"),  # Java, Groovy
    re.compile(r"^\s*at .+:\d+:\d+\)?$"),  # JavaScript
)
_PYTHON_FRAME = re.compile(r'^\s*File ".+", line \d+, in \S+')

_UNTELLING = re.compile(r"script returned exit code -?\d+|.* step failed\.?")
"""Jenkins' words for a command that failed: the log has the command's own."""

_TELLING = (
    re.compile(r"^E {2,}(?P<said>\S.*)"),  # pytest
    re.compile(r"^\[ERROR\]\s+(?P<said>(?!COMPILATION ERROR)\S.*)"),  # Maven
    re.compile(r"^npm (?:ERR!|error) (?P<said>(?:code|errno) \S.*)"),
    re.compile(r"^> (?P<said>(?!Task )\S.*)"),  # Gradle, below "What went wrong:"
    re.compile(r"^(?P<said>(?:\w+\.)*\w*(?:Error|Exception)\b.*)"),
    re.compile(r"^(?P<said>(?:FATAL|fatal|ERROR|error|Error)\b.*)"),
)


def normalised(text: str) -> str:
    """One line without what differs from build to build.

    Numbers, hex numbers, times, durations, UUIDs and folders go. `Foo@1a2b3c` becomes `Foo@<hex>`.
    """
    text = _ANSI.sub("", text)[:LONGEST]
    for pattern, name in _VARIABLE:
        text = pattern.sub(name, text)
    return text.strip()


def fingerprint(report: Report) -> str | None:
    """What two failures with the same cause have in common, for people who debug it.

    Where Jenkins knows no more than that a command failed, the telling line of the log counts; a
    log without one is of its job alone.

    Returns:
        None: the report has no error.
    """
    if report.error is None:
        return None
    kind, lines = report.error.type or "", _lines(report.error.message)
    said = _said(lines)
    parts = [kind.rpartition(".")[2], normalised(said), _frame(lines)]
    if _UNTELLING.fullmatch(said) or not said:
        told = _told(report.log)
        parts.append(told or f"in {report.build.job}")
    return " | ".join(part for part in parts if part)


def first_line(message: str) -> str:
    """The line of an error that says what it is; of a Python traceback that is the last one."""
    return _said(_lines(message))


def _lines(message: str) -> list[str]:
    found = [_ANSI.sub("", line).rstrip() for line in message.splitlines()]
    return [line for line in found if line.strip()]


def _said(lines: list[str]) -> str:
    if not lines:
        return ""
    return (lines[-1] if lines[0].startswith("Traceback (most recent") else lines[0]).strip()


def _frame(lines: list[str]) -> str:
    """The frame where it broke: the first one, in Python the last."""
    frame = ""
    for line in lines[:_LINES]:
        if any(pattern.match(line[:LONGEST]) for pattern in _FRAMES):
            return normalised(line)
        if _PYTHON_FRAME.match(line[:LONGEST]):
            frame = line
    return normalised(frame)


def _told(log: list[str]) -> str:
    for pattern in _TELLING:
        for line in log[-_LINES:]:
            if found := pattern.match(_ANSI.sub("", line)[:LONGEST]):
                return normalised(found["said"])
    return ""
