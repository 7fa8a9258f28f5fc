"""A real browser, and the service as it runs on a node."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from pyservice.config.settings import Settings
from pyservice.web import server
from pyservice.web.app import create_app
from tests.builders.limits import AMPLE
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=1000 * PATIENCE)


@contextmanager
def chromium(executable: Path = Path("/usr/bin/chromium")) -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def service(folder: Path, **others: Any) -> Iterator[str]:
    """The address of a service on a free port, with other settings."""
    port = free_port()
    settings = Settings(
        database_url=f"sqlite:///{folder}/outbox.db",
        sender="Jenkins <jenkins@ci.example.com>",
        port=port,
        smtp_port=9,  # nobody takes the mails: they are looked at in the outbox
        listen=("127.0.0.1",),
        **others,
    )
    running = server.server(create_app(settings, AMPLE))
    sockets = server.bind(settings.listen, settings.port)
    thread = threading.Thread(target=running.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service's address."""
    with service(tmp_path_factory.mktemp("service")) as address:
        yield address


ABORTED = {"htmx:afterRequest", "htmx:sendAbort", "htmx:sendError"}
"""What htmx logs where a request ends since its page is left; `_fail` hears of other reasons."""


@dataclass
class Watched:
    """A page, with its errors and its requests to other hosts."""

    page: Page
    base: str
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str, *, is_live: bool = False) -> Page:
        """Open a path of the service, and wait until the page is still.

        Args:
            path: with its query.
            is_live: whether the page hears of changes, so that its requests never end.
        """
        self.page.on("console", lambda message: self._hear(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("requestfailed", self._fail)
        self.page.on("dialog", lambda dialog: self.troubles.append(dialog.message))
        self.page.on("request", lambda request: self._check(request.url))
        self.page.goto(self.base + path, wait_until="load" if is_live else "networkidle")
        return self.page

    def _hear(self, said: str) -> None:
        if said.partition(",")[0] not in ABORTED:  # behind it stands the element, if there is one
            self.troubles.append(said)

    def _fail(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # which happens when a page is left
            self.troubles.append(f"{request.url}: {request.failure}")

    def _check(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "about:", "blob:")):
            self.troubles.append(f"asked {url}")


@dataclass
class Looks:
    """Opens pages as a reader with a certain screen."""

    browser: Browser
    base: str
    opened: list[Watched] = field(default_factory=list)

    def at(
        self,
        width: int,
        height: int,
        scheme: Literal["light", "dark"] = "light",
        *,
        measured: bool = False,
    ) -> Watched:
        """A new page with a screen of that size.

        Args:
            width: pixels.
            height: pixels.
            scheme: what the reader's system prefers.
            measured: let the test's own scripts run, which the service's policy forbids.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=measured
        )
        context.set_default_timeout(1000 * PATIENCE)
        watched = Watched(context.new_page(), self.base)
        self.opened.append(watched)
        return watched


@pytest.fixture
def looks(browser: Browser, base: str) -> Iterator[Looks]:
    """Opens pages; afterwards checks that none had an error, and closes all."""
    made = Looks(browser, base)
    yield made
    troubles = [trouble for watched in made.opened for trouble in watched.troubles]
    for watched in made.opened:
        watched.page.context.close()
    assert troubles == []
