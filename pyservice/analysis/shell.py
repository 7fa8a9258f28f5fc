"""The errors of the shell, of Git, curl and Jenkins, and those that programs of all kinds print."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import Finding, Rank, Shape, consequences, one_line, shape

_OWN_SCRIPT = re.compile(r".*@tmp/durable-\w+/script\.sh(?:\.copy)?$")
"""The file in which Jenkins' step `sh` keeps its script: the author has no such file."""
_CONFLICT = re.compile(r"Merge conflict in (?P<file>.+)$")


def _shell(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read an error of the shell, which names its script and the line in it."""
    found = one_line(lines, at, match)
    file = match["file"]
    is_script = file.endswith(".sh") and _OWN_SCRIPT.match(file) is None
    return found if is_script else replace(found, file=None, file_line=None)


def _conflict(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    found = one_line(lines, at, match)
    file = _CONFLICT.search(found.text)
    return replace(found, file=file["file"]) if file else found


def _rejected(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    found = one_line(lines, at, match)
    return replace(found, text=f"{match['branches']} was rejected {match['why']}")


def _signal(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read which signal ended a program; bash names the program, too."""
    found = one_line(lines, at, match)
    return replace(found, text=f"{match['command']}: {found.text}") if match["command"] else found


SIGNALS = ("Segmentation fault", "Killed", "Aborted", "Bus error", "Illegal instruction")
"""What the shell prints of a program that a signal ended."""
_SHELL_WORDS = (
    "not found",
    "No such file or directory",
    "Permission denied",
    "parameter not set",
    "unbound variable",
    "yntax error",
    "unexpected EOF",
    "cannot open",
    "bad substitution",
    "Is a directory",
    "cannot execute",
)
_PROGRAM_WORDS = (
    "No such file or directory",
    "Permission denied",
    "No space left on device",
    "command not found",
    "Connection refused",
    "Connection timed out",
    "Could not resolve host",
    "Name or service not known",
)

SHAPES: tuple[Shape, ...] = (
    consequences("returned exit code", r"(?:ERROR: )?script returned exit code -?\d+"),
    consequences("failed to push", r"error: failed to push some refs"),
    consequences("merge failed", r"Automatic merge failed"),
    *(
        shape(
            "shell",
            words,
            rf"(?P<file>[^\s:]+): (?:line )?(?P<line>\d+): (?P<text>.*{words}.*)",
            _shell,
        )
        for words in _SHELL_WORDS
    ),
    *(
        shape("shell", words, rf"(?:/[\w/]*/)?(?:ba|da|a|k|z)?sh: (?P<text>[^\s\d].*{words}.*)")
        for words in _SHELL_WORDS
    ),
    shape("curl", "curl: (", r"curl: \(\d+\) (?P<text>.+)"),
    shape("git", "fatal: ", r"(?:stderr: )?fatal: (?P<text>(?!\[).+)"),
    shape("git", "CONFLICT (", r"CONFLICT \([^)]*\): (?P<text>.+)", _conflict),
    shape(
        "git",
        "rejected]",
        r" ! \[(?:remote )?rejected\]\s+(?P<branches>\S.*) (?P<why>\(.*\))$",
        _rejected,
    ),
    shape(
        "jenkins",
        "WorkflowScript: ",
        r"(?P<file>WorkflowScript): (?P<line>\d+): (?P<text>[^@]+)",
    ),
    shape("jenkins", "removed or offline", r"(?P<text>\S+ seems to be removed or offline)"),
    shape(
        "jenkins",
        " completed: ",
        r"(?P<text>Build .+ #\d+ completed: (?:FAILURE|UNSTABLE|ABORTED|NOT_BUILT))$",
    ),
    shape(
        "jenkins",
        "No such DSL method",
        r"(?:java\.lang\.NoSuchMethodError: )?(?P<text>No such DSL method '\w+')",
    ),
    shape(
        "jenkins",
        "Scripts not permitted",
        r"(?:[\w.$]+: )?(?P<text>Scripts not permitted to use .+)",
    ),
    shape(
        "git",
        "error: ",
        r"error: (?P<text>pathspec .+|Your local changes .+)",
    ),
    shape("git", "patch failed: ", r"error: (?P<text>patch failed): (?P<file>[^:]+):(?P<line>\d+)"),
    *(
        shape(
            None,
            words,
            r"(?:.*: line \d+:\s+\d+ )?"
            rf"(?P<text>{words})(?: \(core dumped\))?(?:\s+(?P<command>\S.*))?$",
            _signal,
            Rank.GENERAL,
        )
        for words in SIGNALS
    ),
    *(
        shape(
            None,
            words,
            rf"(?P<text>(?!WARN|INFO|DEBUG)[\w./+-]+(?: \(\w+\))?: .*{words}.*)$",
            rank=Rank.GENERAL,
        )
        for words in _PROGRAM_WORDS
    ),
    *(
        shape(
            None,
            f"{word}: ",
            rf"(?:(?!WARN|INFO|DEBUG)[\w./+-]+: )?(?P<text>{word}: (?!0\b)\S.*)",
            rank=Rank.GENERAL,
        )
        for word in ("error", "Error", "ERROR", "fatal", "Fatal", "FATAL")
    ),
    *(
        shape(
            None,
            word,
            rf"(?:[\d:.,TZ/\[\]+-]+ ){{0,2}}\[?{word}\]?\s+(?P<text>[^\s:].*)",
            rank=Rank.GENERAL,
        )
        for word in ("ERROR", "FATAL", "CRITICAL")
    ),
    *(
        shape(
            None,
            f"{word}: ",
            rf"(?P<text>(?:[A-Za-z]\w*\.)*[A-Z]\w*{word}: .+)",
            rank=Rank.GENERAL,
        )
        for word in ("Error", "Exception")
    ),
)
