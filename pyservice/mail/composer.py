"""Makes the mails: one after the other, and under load in a second process, on another CPU.

To make a mail of a large report takes more than all else that is done for it, and Python does it on
one CPU. The second process is begun when mails wait to be made, and ended when none has for a
while. Whatever happens to it, a mail is made here: it has no part in what is delivered.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import structlog

from pyservice.config.live import LiveSettings
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.report.schema import Report

_log = structlog.get_logger()


@dataclass(frozen=True)
class ComposerLimits:
    """How many seconds the second process has."""

    idle: float = 60.0
    """Without a mail that had to wait, after which it is ended."""
    mail: float = 30.0
    """For one mail: an administrator's template ends before."""


class Composer:
    """Makes mails. Thread-safe; `close` it."""

    def __init__(
        self, renderer: Renderer, live: LiveSettings, limits: ComposerLimits = ComposerLimits()
    ) -> None:
        """Start no process yet.

        Args:
            renderer: makes the bodies, here.
            live: the settings, for the folder of templates.
            limits: of the second process.
        """
        self._renderer, self._live, self._limits = renderer, live, limits
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._crowded = float("-inf")
        """When mails waited last."""
        self._second: _Process | None = None

    def compose(self, report: Report, addressing: Addressing, *, others_wait: bool) -> bytes:
        """The mail of a report, as `mail.compose` makes it, and raises what that raises.

        Args:
            report: what the mail tells.
            addressing: its headers.
            others_wait: whether there are more mails to be made.
        """
        second = self._process(others_wait)
        if second is not None and second.is_ready():
            folder = self._live.settings.templates_dir
            try:
                mail = second.compose(report, addressing, folder)
            except (OSError, EOFError) as error:
                self._end(second)
                _log.warning("composer.lost", reason=str(error) or "the process has ended")
            else:
                if mail:
                    return mail
        # One after the other: they can't use two CPUs, and would keep callers waiting together.
        with self._turn:
            return compose(report, addressing, self._renderer)

    def close(self) -> None:
        """End the second process."""
        if (second := self._second) is not None:
            self._end(second)

    def _process(self, others_wait: bool) -> "_Process | None":
        """The second process, begun or ended as it is wanted; None: there is none."""
        now = time.monotonic()
        with self._state:
            if others_wait:
                self._crowded = now
                if self._second is None:
                    self._second = _Process.begun(self._limits.mail)
            second = self._second
        if second is not None and now - self._crowded > self._limits.idle:
            self._end(second)
            return None
        return second

    def _end(self, second: "_Process") -> None:
        with self._state:
            if self._second is second:
                self._second = None
        second.end()


class _Process:
    """The second one, as it is seen from here."""

    def __init__(
        self, process: subprocess.Popen[bytes], connection: Connection, timeout: float
    ) -> None:
        self._process, self._connection, self._timeout = process, connection, timeout
        self._lock = threading.Lock()
        self._is_ready = False

    @classmethod
    def begun(cls, timeout: float) -> "_Process | None":
        """A new one, which takes a while to be ready; None: the machine has no room for it."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
            try:
                process = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603 - ours
            except OSError as error:
                ours.close()
                _log.warning("composer.not_begun", reason=str(error))
                return None
        _log.info("composer.begun", pid=process.pid)
        return cls(process, Connection(ours.detach()), timeout)

    def is_ready(self) -> bool:
        """Whether it has said that it is."""
        with self._lock:
            try:
                if not self._is_ready and self._connection.poll():
                    self._is_ready = bool(self._connection.recv())
            except (OSError, EOFError):
                return True  # it is dead, as who uses it is told
            return self._is_ready

    def compose(self, report: Report, addressing: Addressing, folder: Path | None) -> bytes:
        """The mail; empty: it could not be made there.

        Raises:
            OSError: the process is gone, or hangs.
            EOFError: the process is gone.
        """
        with self._lock:
            self._connection.send((report.model_dump_json(), addressing, folder))
            if not self._connection.poll(self._timeout):
                raise TimeoutError(f"no mail within {self._timeout:.0f} s")
            return self._connection.recv_bytes()

    def end(self) -> None:
        """At once: it has nothing that would be lost."""
        self._process.kill()
        self._process.wait()
        with self._lock:
            self._connection.close()


def _serve(connection: Connection) -> None:
    """What the second process does, until the first one has gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the first one, whose end is ours
    renderer, used = Renderer(), None
    connection.send(True)
    while True:
        try:
            text, addressing, folder = connection.recv()
        except (EOFError, OSError):
            return
        try:
            if folder != used:
                renderer.use(folder)
                used = folder
            mail = compose(Report.parse(text.encode()), addressing, renderer)
        except Exception:  # whatever it is, the first process meets it, too, and tells it
            mail = b""
        connection.send_bytes(mail)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
