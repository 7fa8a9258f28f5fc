"""Faults of a machine: a moved clock, a locked file, a rotated log."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testbed.postfix import Postfix

IDLE = """\
import socket, sys, time
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kept = []
for _ in range(count):
    connection = socket.create_connection((host, port))
    connection.sendall(b"POST /v1/reports HTTP/1.1\\r\\nHost: ")
    kept.append(connection)
time.sleep(600)
"""
"""A program that opens many connections, and sends next to nothing on each."""
_LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class Clock:
    """A process' own realtime clock, by libfaketime; its monotonic clock is the machine's."""

    def __init__(self, folder: Path) -> None:
        """Make a clock that is right.

        Args:
            folder: the folder for its file.
        """
        self._file = folder / "clock"
        self.move(0)
        [library] = sorted(Path("/usr/lib").glob(_LIBRARY.removeprefix("/usr/lib/")))
        self.by = (
            "env",
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        )
        """A command that starts another one, which has this clock."""

    def move(self, hours: int) -> None:
        """Set it so many hours ahead, or behind."""
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"{hours * 3600:+d}\n")
        unfinished.rename(self._file)


@contextmanager
def locked(outbox: Path) -> Iterator[None]:
    """Lock the outbox' file meanwhile, as a backup could."""
    other = sqlite3.connect(outbox, isolation_level=None)
    other.execute("PRAGMA busy_timeout=30000")
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def _renamed(postfix: Postfix) -> None:
    postfix.log.rename(_previous(postfix.log))
    time.sleep(0.3)  # Postfix writes on into the old one
    postfix.reload()


def _copied(postfix: Postfix) -> None:
    # What is written between the two steps is lost, says logrotate's manual: so nothing is written.
    writers = [pid for pid in postfix.namespace.pids() if _name(pid) == "postlogd"]
    for pid in writers:
        os.kill(pid, signal.SIGSTOP)
    _previous(postfix.log).write_bytes(postfix.log.read_bytes())
    os.truncate(postfix.log, 0)
    for pid in writers:
        os.kill(pid, signal.SIGCONT)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""


def _by_logrotate(postfix: Postfix) -> None:
    folder = postfix.log.parent
    settings = folder / "logrotate.conf"
    reload = f"postfix -c {postfix.config} reload"
    settings.write_text(
        f"{postfix.log} {{\n su root root\n rotate 4\n missingok\n notifempty\n compress\n"
        f" delaycompress\n sharedscripts\n postrotate\n  {reload}\n endscript\n}}\n"
    )
    command = ("logrotate", "--force", "--state", str(folder / "logrotate.state"), str(settings))
    done = postfix.namespace.run(*command)
    assert done.returncode == 0, done.stderr


def _previous(log: Path) -> Path:
    return log.with_name(f"{log.name}.{time.monotonic_ns()}")


ROTATIONS: dict[str, Callable[[Postfix], None]] = {
    "renamed": _renamed,
    "copied and emptied": _copied,
    "logrotate": _by_logrotate,
}
"""The ways to rotate a log, by their names."""
