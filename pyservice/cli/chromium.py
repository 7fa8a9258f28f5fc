"""A picture of HTML, made by a Chromium that is installed, through its DevTools protocol.

Chromium's own `--screenshot` makes neither a page as high as its content nor a narrow or dark one.
The protocol runs on pipes: nothing listens on the network.
"""

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyservice.errors import SetupError

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge",
)
TIMEOUT = 60.0
"""Seconds for a picture; a busy machine starts Chromium in 10."""
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


def find() -> str:
    """Return the path of a Chromium.

    Raises:
        SetupError: none is installed.
    """
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise SetupError(
        "A picture needs a Chromium, and none is installed here. On Debian: apt-get install "
        "chromium. Without one, open the mail in your browser: --open."
    )


def screenshot(html: str, width: int, *, dark: bool) -> bytes:
    """Return a PNG of a page as a whole. Nothing in it runs or is loaded from elsewhere.

    Args:
        html: the page's, with a policy of its own against what it must not load.
        width: pixels.
        dark: as a reader with dark mode sees it.

    Raises:
        SetupError: no Chromium is installed, or it did not make the picture.
    """
    path = find()
    with tempfile.TemporaryDirectory(prefix="notify-email-", ignore_cleanup_errors=True) as folder:
        page = Path(folder) / "mail.html"
        page.write_text(html, encoding="utf-8")
        browser = _Browser(path, folder)
        try:
            return _picture(browser, page.as_uri(), width, dark=dark)
        finally:
            browser.end()


def _picture(browser: "_Browser", url: str, width: int, *, dark: bool) -> bytes:
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(method: str, **values: Any) -> dict[str, Any]:
        return browser.call(method, session, **values)

    call("Emulation.setScriptExecutionDisabled", value=True)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    call("Emulation.setEmulatedMedia", features=[scheme])
    size = {"width": width, "height": 200, "deviceScaleFactor": 1, "mobile": False}
    call("Emulation.setDeviceMetricsOverride", **size)
    call("Page.enable")
    call("Page.navigate", url=url)
    browser.wait("Page.loadEventFired")
    content = call("Page.getLayoutMetrics")["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": width, "height": content["height"], "scale": 1}
    shot = call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    return base64.b64decode(shot["data"])


class _Browser:
    """A running Chromium, which reads commands on its descriptor 3 and answers on 4."""

    def __init__(self, path: str, folder: str) -> None:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        flags = [*_FLAGS, f"--user-data-dir={folder}/profile"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)]
        # Above what is replaced: else one pipe's end could be closed by the other's.
        ends = [os.dup(os.dup(os.dup(end))) for end in (theirs_in, theirs_out)]
        pipes = [(os.POSIX_SPAWN_DUP2, ends[0], 3), (os.POSIX_SPAWN_DUP2, ends[1], 4)]
        self._pid = os.posix_spawn(
            path, [path, *flags], dict(os.environ), file_actions=[*quiet, *pipes], setpgroup=0
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._ends, self._number = time.monotonic() + TIMEOUT, 0
        self._buffer, self._events = b"", list[str]()

    def call(self, method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
        """Return the result of a command.

        Raises:
            SetupError: there is none in time.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        message |= {"sessionId": session} if session else {}
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except OSError:
            raise _failed("it ended at once") from None
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise _failed(str(answer["error"].get("message", "")))
                return dict(answer["result"])

    def wait(self, event: str) -> None:
        """Wait for an event, which may have come already."""
        while event not in self._events:
            self._read()

    def end(self) -> None:
        """End the browser with all its processes."""
        os.close(self._to)
        os.close(self._from)
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = self._ends - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise _failed(f"it did not answer in {TIMEOUT:.0f} s")
            piece = os.read(self._from, 65536)
            if not piece:
                raise _failed("it ended")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = dict(json.loads(line))
        if "method" in message:
            self._events.append(message["method"])
        return message


def _failed(reason: str) -> SetupError:
    return SetupError(
        f"Chromium made no picture: {reason}. Does `chromium --headless --version` work for this "
        "user? Without it, open the mail in your browser: --open."
    )
