"""The maker of mails, which under load uses a second process on another CPU.

Making a mail takes more CPU than the rest of its delivery, and Python does it on one CPU. On an
idle machine with two CPUs, `make bench` measures a tenth to a sixth more mails a second with the
process than without it. It starts when mails wait to be made, and ends when none has waited for a
while. If it fails, the mail is made in this process: no delivery depends on it. It has less of the
CPU than this process, whose callers wait for their answers.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import structlog

from pyservice.errors import RenderError
from pyservice.mail import child
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import BUILT_IN, Renderer
from pyservice.report.schema import Report

NICENESS = 10
"""Of the second process, from 0 to 19."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class ComposerLimits:
    """The limits of the second process, in seconds."""

    idle: float = 60.0
    """How long no mail has waited before the process is ended."""
    mail: float = 30.0
    """How long it may take for one mail."""


class Composer:
    """Makes mails. Thread-safe; `close` it."""

    def __init__(self, renderer: Renderer, limits: ComposerLimits = ComposerLimits()) -> None:
        """Start no process yet.

        Args:
            renderer: makes the bodies, here.
            limits: of the second process.
        """
        self._renderer, self._limits = renderer, limits
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._crowded = float("-inf")
        """The time at which mails waited last, on the monotonic clock."""
        self._second: _Process | None = None

    def compose(
        self,
        report: Report,
        addressing: Addressing,
        *,
        others_wait: bool,
        on_fault: Callable[[RenderError], object] | None = None,
    ) -> bytes:
        """Return the bytes of a report's mail, as `message.compose` does, with the same errors.

        Args:
            report: what the mail is about.
            addressing: the mail's addresses and identity.
            others_wait: whether more mails wait to be made.
            on_fault: gets what is wrong, if the built-in template had to replace another one.
        """
        second, template = self._process(others_wait), report.mail.template
        if template != BUILT_IN or self._renderer.is_own(template):
            # It has a process of its own, and may take its time: nobody waits for it here.
            return compose(report, addressing, self._renderer, on_fault)
        if second is not None and second.is_ready():
            try:
                mail = second.compose(report, addressing)
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
        """Return the second process, after starting or ending it as needed; None: there is none."""
        now = time.monotonic()
        with self._state:
            if others_wait:
                self._crowded = now
                if self._second is None:
                    self._second = _Process.start(self._limits.mail)
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
    """The second process, seen from the first one."""

    def __init__(
        self, process: subprocess.Popen[bytes], connection: Connection, timeout: float
    ) -> None:
        self._process, self._connection, self._timeout = process, connection, timeout
        self._lock = threading.Lock()
        self._is_ready = False

    @classmethod
    def start(cls, timeout: float) -> "_Process | None":
        """Start a process, which is ready some time later; None: the system refused to start it."""
        try:
            process, connection = child.start(__name__, niceness=NICENESS)
        except OSError as error:
            _log.warning("composer.start_failed", reason=str(error))
            return None
        _log.info("composer.started", pid=process.pid)
        return cls(process, connection, timeout)

    def is_ready(self) -> bool:
        """Return whether the process can make mails, or has ended: then `compose` raises."""
        with self._lock:
            try:
                if not self._is_ready and self._connection.poll():
                    self._is_ready = bool(self._connection.recv())
            except (OSError, EOFError):
                return True
            return self._is_ready

    def compose(self, report: Report, addressing: Addressing) -> bytes:
        """Return the mail's bytes; empty: the process could not make it.

        Raises:
            OSError: the process has ended, or hangs.
            EOFError: the process has ended.
        """
        with self._lock:
            self._connection.send((report.model_dump_json(), addressing))
            if not self._connection.poll(self._timeout):
                raise TimeoutError(f"no mail within {self._timeout:.0f} s")
            return self._connection.recv_bytes()

    def end(self) -> None:
        """End the process at once; nothing in it can be lost."""
        self._process.kill()
        self._process.wait()
        with self._lock:
            self._connection.close()


def _serve(connection: Connection) -> None:
    """Make mails in the second process, until the first one ends."""
    renderer = Renderer()
    connection.send(True)
    while True:
        try:
            text, addressing = connection.recv()
        except (EOFError, OSError):
            return
        try:
            mail = compose(Report.parse(text.encode()), addressing, renderer)
        except Exception:  # the first process tries again, and logs the same error
            mail = b""
        connection.send_bytes(mail)


if __name__ == "__main__":
    _serve(child.connection_to_parent())
