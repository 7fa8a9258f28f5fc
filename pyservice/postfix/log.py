"""Postfix' log, which is read on from a mark, through rotations.

Postfix writes to a file (its own maillog_file, or syslog's) or, where there is no syslog daemon as
on a plain Debian 12, to the journal.
"""

import json
import os
import shutil
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from pyservice.errors import SetupError, os_reason
from pyservice.postfix.log_line import Line

USUAL_FILES = (Path("/var/log/mail.log"), Path("/var/log/maillog"))
"""Debian's and Red Hat's."""
CHUNK = 1 << 20
"""Bytes that are read at once, so that a day's log is not held in memory."""
REMEMBERED = 256
"""Bytes before the place where reading goes on, by which a file's copy is recognized."""

Mark = Mapping[str, str | int]
"""How far a log was read: JSON, to be kept and given back."""

_T = TypeVar("_T")


class Log(Protocol):
    """A log that is read on: each call gets what is new."""

    def lines(self) -> list[str]:
        """Return complete lines since the last call; call again until there are none."""

    @property
    def mark(self) -> Mark:
        """How far it was read."""


class FileLog:
    """A log file, the new one after each rotation, and what is still written to the old one."""

    def __init__(self, file: Path, mark: Mark | None = None) -> None:
        """Begin at the file's end or, with a mark, there; an empty mark is the file's start.

        Raises:
            SetupError: the file can't be read; says what to do.
        """
        self._file = file
        self._older: _Tail | None = None
        try:
            self._begin(mark)
        except FileNotFoundError:
            raise SetupError(
                f"There is no {file}: name the file that Postfix logs to (postconf maillog_file)."
            ) from None
        except OSError as error:
            raise SetupError(
                f"{file} can't be read ({os_reason(error)}): run this as "
                "root, or as a user in the group adm."
            ) from None

    def _begin(self, mark: Mark | None) -> None:
        before = None if mark is None else _rotated(self._file, mark)
        if before is not None and not self._file.exists():
            self._tail = before  # rotated, and nothing was logged since
            return
        self._tail = _Tail(self._file)
        if mark is None:
            self._tail.skip()
        elif mark.get("inode") == self._tail.inode:
            self._tail.skip(int(mark.get("offset", 0)))
        else:
            self._older = before

    def lines(self) -> list[str]:
        """Return complete lines since the last call; call again until there are none."""
        if self._tail.was_emptied():  # as logrotate's copytruncate does
            self._older = _copied(self._file, self._tail)
            self._tail.skip(0)
        # A logger may go on with the old file for a moment after it was renamed.
        lines = (self._older.lines() if self._older else []) or self._tail.lines()
        if not lines and self._is_replaced():
            try:
                new = _Tail(self._file)
            except OSError:
                return []  # not there yet
            self._older, self._tail = self._tail, new
            return self._tail.lines()
        return lines

    @property
    def mark(self) -> Mark:
        """How far it was read."""
        return {"inode": self._tail.inode, "offset": self._tail.offset}

    def _is_replaced(self) -> bool:
        try:
            return self._file.stat().st_ino != self._tail.inode
        except OSError:
            return False


class _Tail:
    """A file that stays open when it is renamed, read in whole lines."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        self.inode = os.fstat(self._descriptor).st_ino
        self.offset = 0
        self._last = b""
        """The bytes before the offset."""

    def skip(self, to: int | None = None) -> None:
        """Go on at an offset; None: at the file's end."""
        size = os.fstat(self._descriptor).st_size
        self.offset = size if to is None else to if to <= size else 0  # else it was emptied
        self._last = self._before()

    def was_emptied(self) -> bool:
        """Return whether the bytes before the offset are other ones now."""
        return self._before() != self._last

    def goes_on(self, other: "_Tail") -> bool:
        """Go on where another file was read; return whether this one is the same until there."""
        self.offset, self._last = other.offset, other._last
        return not self.was_emptied()

    def _before(self) -> bytes:
        length = min(self.offset, REMEMBERED)
        return os.pread(self._descriptor, length, self.offset - length)

    def lines(self) -> list[str]:
        """Return complete lines since the last call."""
        chunk = os.pread(self._descriptor, CHUNK, self.offset)
        whole = chunk[: chunk.rfind(b"\n") + 1]
        if not whole and len(chunk) == CHUNK:
            whole = chunk  # no line of Postfix' is that long
        self.offset += len(whole)
        self._last = (self._last + whole)[-REMEMBERED:]
        return _lines(whole.decode("utf-8", "replace"))


def _lines(text: str) -> list[str]:
    """Split a log at line feeds alone: U+2028 and the like may be in a stranger's HELO, followed by
    what would be another line.
    """
    return text.removesuffix("\n").split("\n") if text else []


def _copied(file: Path, emptied: _Tail) -> _Tail | None:
    """Return the copy that was made of a file before it was emptied, at the place to go on."""
    for other in file.parent.glob(f"{file.name}?*"):
        tail = _Tail(other)
        if tail.goes_on(emptied):
            return tail
    return None


def _rotated(file: Path, mark: Mark) -> _Tail | None:
    """Return a mark's file under its new name (mail.log.1), unless it is compressed by now."""
    for other in file.parent.glob(f"{file.name}?*"):
        if other.stat().st_ino == mark.get("inode"):
            tail = _Tail(other)
            tail.skip(int(mark.get("offset", 0)))
            return tail
    return None


class JournalLog:
    """The journal's mail facility, as journalctl shows it."""

    def __init__(self, mark: Mark | None = None) -> None:
        """Begin at the journal's end or, with a mark, there; an empty mark is its start.

        Raises:
            SetupError: there is no journal here, or it can't be read.
        """
        self._cursor = str(mark["cursor"]) if mark and "cursor" in mark else None
        # Any program's last entry marks the end: Postfix may not have logged anything yet.
        last = [entry["__CURSOR"] for entry in self._entries("--lines=1")]
        if not last:
            raise SetupError(
                "The journal is empty or can't be read: run this as root or as a user in the group "
                "systemd-journal, or name Postfix' log file."
            )
        if mark is None:
            self._cursor = last[0]

    def lines(self) -> list[str]:
        """Return complete lines since the last call; call again until there are none."""
        lines = []
        since = [f"--after-cursor={self._cursor}"] if self._cursor else []
        for entry in self._entries("SYSLOG_FACILITY=2", *since):
            self._cursor = entry["__CURSOR"]
            program = f"{entry.get('SYSLOG_IDENTIFIER', '')}[{entry.get('SYSLOG_PID', 0)}]"
            lines.append(f"journal {program}: {entry.get('MESSAGE', '')}")
        return lines

    @property
    def mark(self) -> Mark:
        """How far it was read."""
        return {"cursor": self._cursor or ""}

    def _entries(self, *arguments: str) -> Iterator[dict[str, str]]:
        program = shutil.which("journalctl")
        if program is None:
            raise SetupError("There is no journalctl here: name Postfix' log file.")
        done = subprocess.run(  # noqa: S603 - journalctl
            [program, "--output=json", "--no-pager", "--quiet", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise SetupError(f"journalctl failed: {' '.join(done.stderr.split())[:300]}")
        return map(json.loads, _lines(done.stdout))


def open_log(file: Path | None, mark: Mark | None = None) -> Log:
    """Open a log file; None: the usual file or, where there is none, the journal.

    Args:
        file: as Postfix writes it.
        mark: where to go on; None: at the log's end; an empty one: at its start.

    Raises:
        SetupError: it can't be read; says what to do.
    """
    named = file or next((usual for usual in USUAL_FILES if usual.exists()), None)
    return JournalLog(mark) if named is None else FileLog(named, mark)


def wait_for(log: Log, find: Callable[[Line], _T | None], seconds: float) -> _T | None:
    """Return the first result that `find` has for a new line; None: there is none in time.

    Args:
        log: where lines come.
        find: returns None for a line that is not meant.
        seconds: how long to wait.
    """
    deadline = time.monotonic() + seconds
    while True:
        for text in log.lines():
            line = Line.parse(text)
            if line is not None and (result := find(line)) is not None:
                return result
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)
