"""The fingerprint of an error: what stays the same each time it happens.

Two builds that fail for one reason rarely have the same message: an address, a time, a workspace or
an object's number differs. The fingerprint leaves those out, and keeps the error's class, its words
and its first stack frame.
"""

import re

from pyservice.analysis.first_error import find_first_error
from pyservice.analysis.reason import log_lines
from pyservice.report.error_message import message_line, message_lines
from pyservice.report.schema import Report
from pyservice.terminal import plain

MAX_LINE = 400
"""Characters of a line that are read."""
_MAX_LINES = 500
"""Lines of an error that are read."""

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

_VAGUE = re.compile(
    r"script returned exit code -?\d+|.* step failed\.?|Error (?:cloning|fetching) remote repo\b.*"
    r"|Maximum checkout retry attempts\b.*"
)
"""Jenkins' messages about a command that failed: its log has the command's own."""

_HOST = r"(?P<host>[A-Za-z0-9][\w.-]*\w)"
_NO_SUCH_HOST = tuple(
    re.compile(pattern)
    for pattern in (
        rf"Could not resolve host: {_HOST}",  # curl, Git
        rf"getaddrinfo E\w+ {_HOST}",  # Node
        rf"(?:Unknown host|UnknownHostException:) {_HOST}",  # Java
        rf"(?:Name or service not known|name resolution)\W+{_HOST}",  # pip
        rf"(?<![\w.-]){_HOST}: (?:Name or service not known|Temporary failure in name resolution)",
    )
)
_URL_PATH = re.compile(r"(?P<site>https?://[^\s/'\"]+)/[^\s'\"]*")
_ARTIFACT = re.compile(r"(?P<what>transfer artifact) \S+")


def normalised(text: str) -> str:
    """Return one line without what differs from build to build.

    Numbers, hex numbers, times, durations, UUIDs and folders go. `Foo@1a2b3c` becomes `Foo@<hex>`.
    """
    text = plain(text)[:MAX_LINE]
    for pattern, name in _VARIABLE:
        text = pattern.sub(name, text)
    return text.strip()


def fingerprint(report: Report) -> str | None:
    """Return the fingerprint of a report's error, in words for people who debug it.

    If Jenkins knows only that a command failed, the fingerprint has the first error of the failing
    step's log; if there is none, it has the job's name.

    Returns:
        The fingerprint; None: the report has no error.
    """
    if report.error is None:
        return None
    kind, lines = report.error.type or "", message_lines(report.error.message)
    message = message_line(lines)
    is_vague = not message or _VAGUE.fullmatch(message[:MAX_LINE]) is not None
    if is_vague and (first := _first_error(report)):
        return first
    job = f"in {report.build.job}" if is_vague else ""
    parts = (kind.rpartition(".")[2], normalised(message), _frame(lines), job)
    return " | ".join(part for part in parts if part)


def _frame(lines: list[str]) -> str:
    """Return the stack frame of the error: the first one, in Python the last."""
    frame = ""
    for line in lines[:_MAX_LINES]:
        if any(pattern.match(line[:MAX_LINE]) for pattern in _FRAMES):
            return normalised(line)
        if _PYTHON_FRAME.match(line[:MAX_LINE]):
            frame = line
    return normalised(frame)


def _first_error(report: Report) -> str:
    """Return the first error in the log, without what is only this build's; empty: there is none.

    A host that can't be found is all that counts of such an error, whichever tool asked for it.
    """
    error = find_first_error([plain(line) for line in log_lines(report)])
    if error is None:
        return ""
    for pattern in _NO_SUCH_HOST:
        if found := pattern.search(error.message):
            return f"no such host: {found['host'].lower()}"
    message = _URL_PATH.sub(r"\g<site>/", _ARTIFACT.sub(r"\g<what> <name>", error.message))
    return normalised(message)
