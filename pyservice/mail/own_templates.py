"""An administrator's templates: which there are, and how they are rendered in another process."""

import atexit
import json
import re
import signal
import subprocess
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pyservice.analysis.digest import Digest
from pyservice.errors import RenderError, TemplateFault, os_reason
from pyservice.mail import child
from pyservice.mail.inline_images import with_images
from pyservice.mail.rendering import BUILT_IN, DIGEST, SHIPPED, Body
from pyservice.mail.template_files import TemplateState, template_state
from pyservice.report.schema import Report

PAUSE = 60.0
"""Seconds for which a template that took too much is not tried again, unless it changes."""
_PATIENCE = 60.0
"""Seconds for an answer of the process, which limits its own CPU time."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class OwnTemplates:
    """The templates of one folder. Thread-safe."""

    def __init__(
        self, folder: Path | None, *, timeout: float, process: "TemplateProcess | None" = None
    ) -> None:
        """Read nothing yet.

        Args:
            folder: has a folder for each template; None: there are the built-in ones only.
            timeout: seconds of CPU that a template has for one mail.
            process: renders them; None: the one that the mails of all reports share.
        """
        self._folder, self._timeout = folder, timeout
        self._process = process or _process
        self._turn = threading.Lock()
        self._paused: dict[str, tuple[TemplateState, float, RenderError]] = {}
        """The templates that took too much: their files, until when, and what was wrong."""
        self._read: tuple[TemplateState, dict[str, str]] = (), {}
        """The state of all templates, and what is wrong with each that was read then."""

    def has(self, template: str) -> bool:
        """Return whether there is this template, or this part of the built-in ones.

        One that can't be read is there, too: only rendering it tells what is wrong.
        """
        if self._folder is None or not is_name(template):
            return False
        is_built_in = template in {BUILT_IN, DIGEST}
        return _is_there(self._folder / template / ("" if is_built_in else "body.html"))

    def names(self) -> list[str]:
        """Return the names of all templates that a report can name."""
        try:
            names = [path.name for path in self._folder.iterdir()] if self._folder else []
        except OSError:
            return []
        return [name for name in names if name != DIGEST and self.has(name)]

    def state(self) -> TemplateState:
        """Return what differs once a template has changed."""
        return template_state(self._folder)

    def faults(self) -> dict[str, str]:
        """Return what is wrong with the templates that can't even be read.

        They are read once, until one changes. What takes too much may pass, and is tried again.
        """
        state = self.state()
        if self._read[0] != state:
            self._read = state, {}
        read, faults = self._read[1], dict[str, str]()
        for name in {*self.names(), BUILT_IN, DIGEST}:
            if name not in read and self.has(name):
                try:
                    self._ask(name, None)
                    read[name] = ""
                except RenderError as error:
                    faults[name] = str(error)
                    if name not in self._paused or self._paused[name][2] is not error:
                        read[name] = str(error)
        return faults | {name: fault for name, fault in read.items() if fault}

    def render(self, template: str, shown: Report | Digest) -> Body:
        """Render a report or a digest.

        Raises:
            RenderError: names the template, the line and what is wrong there.
        """
        with self._turn:  # who has waited for one that took too much does not try it again
            state, until, error = self._paused.get(template, ((), 0.0, RenderError("")))
            if time.monotonic() < until and state == self._state_of(template):
                raise error.with_traceback(None)
            body = Body(**self._ask(template, shown) | {"images": ()})
            if self._folder is None:
                return body
            folders = [self._folder / name for name in (template, BUILT_IN)]
            html, images = with_images(body.html, folders)
            return replace(body, html=html, images=images)

    def _ask(self, template: str, shown: Report | Digest | None) -> dict[str, Any]:
        state = self._state_of(template)
        try:
            answer = self._process.ask((self._folder, self._timeout, template, shown))
        except _ProcessLostError as lost:
            error, is_too_much = RenderError.of((TemplateFault(template, str(lost)),)), True
        else:
            if "error" not in answer:
                return answer
            faults = tuple(TemplateFault(**fault) for fault in answer["faults"])
            error, is_too_much = RenderError(answer["error"], faults), answer["is_too_much"]
        if is_too_much:
            self._paused[template] = state, time.monotonic() + PAUSE, error
        raise error

    def _state_of(self, template: str) -> TemplateState:
        """Return what differs once a file of the template has been changed."""
        return template_state(self._folder and self._folder / template)


def is_name(template: str) -> bool:
    """Return whether a template can have this name. None leaves the folder of templates."""
    return template != SHIPPED and _NAME.fullmatch(template) is not None


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # nobody knows: it may be in a folder that can't be read
    return True


class _ProcessLostError(Exception):
    """The process gave no answer; the message says why."""


class TemplateProcess:
    """The process of `template_process`, which is started when it is needed. Thread-safe."""

    def __init__(self, niceness: int = 0) -> None:
        """Start nothing yet.

        Args:
            niceness: how far it stands back behind this process, from 0 to 19.
        """
        self._niceness = niceness
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        atexit.register(self._end)

    def close(self) -> None:
        """End the process; it starts again when it is needed."""
        with self._lock:
            self._end()
            atexit.unregister(self._end)

    def ask(self, request: tuple[Any, ...]) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            _ProcessLostError: there is none.
        """
        with self._lock:
            if self._running and self._running[0].poll() is not None:
                self._end()  # it was killed while it had nothing to do
            try:
                if self._running is None:
                    self._running = child.start(
                        "pyservice.mail.template_process", niceness=self._niceness
                    )
            except OSError as error:
                reason = f"no process could be started for it: {os_reason(error)}"
                raise _ProcessLostError(reason) from error
            _, connection = self._running
            try:
                connection.send(request)
                if connection.poll(_PATIENCE):
                    return dict(json.loads(connection.recv_bytes()))
                reason = f"it gave no mail in {_PATIENCE:.0f} s"
            except (OSError, EOFError):
                reason = ""
            code = self._end()
            raise _ProcessLostError(reason or _reason(code))

    def _end(self) -> int:
        """End the process, and return its exit code; it may have ended before."""
        if self._running is None:
            return 0
        process, connection = self._running
        self._running = None
        connection.close()
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _reason(code: int) -> str:
    """Return why a process ended in the middle of its work."""
    if code == -signal.SIGXCPU:
        return "it takes too long: does it calculate with very large numbers or texts?"
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its process was ended ({name}): does it make very large or deep things?"


_process = TemplateProcess()
