"""The fingerprint of an error: what stays the same each time it happens.

Two builds that fail for one reason rarely have the same message: an address, a time, a workspace or
an object's number differs. The fingerprint leaves those out, and keeps the error's class, its words
and its first stack frame.
"""

import re

from pyservice.report.schema import Report

MAX_LINE = 400
"""Characters of a line that are read."""
_MAX_LINES = 500
"""Lines of an error or a log that are read."""

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
        # Temporary folders: every name below them changes.
        (r"(?<![\w.:/])(?:/private)?(?:/var)?/tmp/[^\s'\":,;)\]]+", "<tmp>"),
        (r"\b[A-Za-z]:\\[^\s'\":,;)\]]*\\Te?mp\\[^\s'\":,;)\]]+", "<tmp>"),
        # Other folders go, and the file's name stays: workspaces differ, source files don't.
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

_VAGUE = re.compile(r"script returned exit code -?\d+|.* step failed\.?")
"""Jenkins' messages about a command that failed: the log has the command's own."""

_ERROR_LINES = (
    re.compile(r"^E {2,}(?P<message>\S.*)"),  # pytest
    re.compile(r"^\[ERROR\]\s+(?P<message>(?!COMPILATION ERROR)\S.*)"),  # Maven
    re.compile(r"^npm (?:ERR!|error) (?P<message>(?:code|errno) \S.*)"),
    re.compile(r"^> (?P<message>(?!Task )\S.*)"),  # Gradle, below "What went wrong:"
    re.compile(r"^(?P<message>(?:\w+\.)*\w*(?:Error|Exception)\b.*)"),
    re.compile(r"^(?P<message>(?:FATAL|fatal|ERROR|error|Error)\b.*)"),
)


def normalised(text: str) -> str:
    """Return one line without what differs from build to build.

    Numbers, hex numbers, times, durations, UUIDs and folders go. `Foo@1a2b3c` becomes `Foo@<hex>`.
    """
    text = _ANSI.sub("", text)[:MAX_LINE]
    for pattern, name in _VARIABLE:
        text = pattern.sub(name, text)
    return text.strip()


def fingerprint(report: Report) -> str | None:
    """Return the fingerprint of a report's error, in words for people who debug it.

    If Jenkins knows only that a command failed, the fingerprint has an error line of the log; if
    the log has none, it has the job's name.

    Returns:
        The fingerprint; None: the report has no error.
    """
    if report.error is None:
        return None
    kind, lines = report.error.type or "", _lines(report.error.message)
    message = _message_line(lines)
    parts = [kind.rpartition(".")[2], normalised(message), _frame(lines)]
    if _VAGUE.fullmatch(message) or not message:
        parts.append(_error_in_log(report.log) or f"in {report.build.job}")
    return " | ".join(part for part in parts if part)


def first_line(message: str) -> str:
    """Return the line of an error that says what it is: the last one of a Python traceback."""
    return _message_line(_lines(message))


def _lines(message: str) -> list[str]:
    lines = [_ANSI.sub("", line).rstrip() for line in message.splitlines()]
    return [line for line in lines if line.strip()]


def _message_line(lines: list[str]) -> str:
    if not lines:
        return ""
    return (lines[-1] if lines[0].startswith("Traceback (most recent") else lines[0]).strip()


def _frame(lines: list[str]) -> str:
    """Return the stack frame of the error: the first one, in Python the last."""
    frame = ""
    for line in lines[:_MAX_LINES]:
        if any(pattern.match(line[:MAX_LINE]) for pattern in _FRAMES):
            return normalised(line)
        if _PYTHON_FRAME.match(line[:MAX_LINE]):
            frame = line
    return normalised(frame)


def _error_in_log(log: list[str]) -> str:
    for pattern in _ERROR_LINES:
        for line in log[-_MAX_LINES:]:
            if match := pattern.match(_ANSI.sub("", line)[:MAX_LINE]):
                return normalised(match["message"])
    return ""
