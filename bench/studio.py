"""The studio's pages: how soon one shows a save, and what a hundred cost those who report."""

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from bench.client import Client, post_all, report, wait_for_ready
from bench.figures import Figure
from bench.service import Service
from pyservice import samples

SAVES = 30
LIMIT = 300.0
"""Milliseconds within which a page shall show a save."""
AUTHORS = 100
TEMPLATES = 20
"""Of the authors, who look at different builds in them."""
POSTS = 100
PAUSE = 0.08
"""Seconds between two reports."""
SAVE_EVERY = 3.0
"""Seconds between two saves of all authors together: each saves every five minutes."""

# In the page: the time, in milliseconds since 1970, at which the dark frame's paragraph has this
# text, and has been painted.
_WATCH = """
(text) => void (window.seen = new Promise((resolve) => {
  const look = () => {
    const shown = document.querySelector("figure.is-dark iframe")?.contentDocument;
    const isThere = shown?.querySelector("p.marker")?.textContent === text;
    const paint = () => requestAnimationFrame((now) => resolve(performance.timeOrigin + now));
    requestAnimationFrame(isThere ? paint : look);
  };
  look();
}))
"""


def reload(service: Service, folder: Path) -> dict[str, Figure]:
    """Measure from a save to its pixels on an open page, against loading the page again by hand."""
    templates = _templates(folder, 1)
    body = templates / "team0" / "body.html"
    followed, loaded = [], []
    with service.running(templates) as base, sync_playwright() as playwright:
        wait_for_ready(base)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{base}/preview/team0/2-compile-error", wait_until="load")
        for number in range(SAVES + 3):
            page.evaluate(_WATCH, f"save {number}")
            began = _save(body, f"save {number}")
            followed.append(page.evaluate("window.seen") - began)
            time.sleep(0.6)  # an author's next save comes later than that
        for number in range(SAVES + 3):
            began = _save(body, f"load {number}")
            page.reload(wait_until="commit")
            page.evaluate(_WATCH, f"load {number}")
            loaded.append(page.evaluate("window.seen") - began)
            time.sleep(0.6)
        browser.close()
    followed, loaded = followed[3:], loaded[3:]  # the first ones fill caches
    p95 = quantiles(followed, n=20)[-1]
    return {
        "save_to_pixels": Figure(median(followed), median(loaded), "ms"),
        "save_to_pixels_p95": Figure(p95, LIMIT, "ms"),
    }


def authors(service: Service, folder: Path) -> dict[str, Figure]:
    """Measure how long a caller waits for the 202 while 100 studio pages are open.

    Each author saves a template every five minutes, of which every page hears.
    """
    templates = _templates(folder, TEMPLATES)
    idle: list[float] = []
    beside: list[float] = []
    with service.running(templates) as base:
        wait_for_ready(base)
        post_all(base, count=50, connections=10, job="warm-up of the authors")
        for part in range(3):
            idle += _in_turn(base, f"without authors {part}")
            with _watching(base, templates):
                beside += _in_turn(base, f"beside authors {part}")
    return {"acceptance_beside_authors": Figure(1000 * median(beside), 1000 * median(idle), "ms")}


def _templates(folder: Path, count: int) -> Path:
    templates = folder / "templates"
    for number in range(count):
        (templates / f"team{number}").mkdir(parents=True, exist_ok=True)
        _save(templates / f"team{number}" / "body.html", "first")
    return templates


def _save(body: Path, text: str) -> float:
    """Save a template as large as a usual one; return when, in milliseconds since 1970."""
    built_in = Path("pyservice/mail/templates/build/body.html").read_text(encoding="utf-8")
    content = built_in.replace("</body>", f'<p class="marker">{text}</p></body>')
    began = time.time()
    body.write_text(content, encoding="utf-8")
    return 1000 * began


def _in_turn(base: str, job: str) -> list[float]:
    client, waits = Client(base), []
    for number in range(1, POSTS + 1):
        body = report(job, number)
        began = time.perf_counter()
        client.post_body(body)
        waits.append(time.perf_counter() - began)
        time.sleep(PAUSE)
    return waits


@contextmanager
def _watching(base: str, templates: Path) -> Iterator[None]:
    """Open the pages, in a process of their own, and save templates until the end."""
    context = multiprocessing.get_context("spawn")
    are_open, is_over = context.Event(), context.Event()
    process = context.Process(target=_open_pages, args=(base, are_open, is_over))
    process.start()
    assert are_open.wait(60), "The pages could not be opened."
    saver = threading.Thread(target=_save_often, args=(templates, is_over))
    saver.start()
    try:
        yield
    finally:
        is_over.set()
        saver.join()
        process.join(30)


def _save_often(templates: Path, is_over: Event) -> None:
    number = 0
    while not is_over.wait(SAVE_EVERY):
        number += 1
        _save(templates / f"team{number % TEMPLATES}" / "body.html", f"save {number}")


def _open_pages(base: str, are_open: Event, is_over: Event) -> None:
    opened = threading.Barrier(AUTHORS + 1)
    for number in range(AUTHORS):
        threading.Thread(target=_page, args=(base, number, opened), daemon=True).start()
    opened.wait(60)
    are_open.set()
    is_over.wait()


def _page(base: str, number: int, opened: threading.Barrier) -> None:
    """Do what an open page does: hear of saves, and ask for what has changed."""
    host = urlsplit(base).netloc
    names = samples.names()
    path = f"team{number % TEMPLATES}/{names[number % len(names)]}"
    asking, hearing = HTTPConnection(host, timeout=60), HTTPConnection(host, timeout=600)
    version = _version(asking, f"/preview/{path}", "GET", "")
    hearing.request("GET", "/live?topic=templates")
    events = hearing.getresponse()
    assert events.status == 200, events.status
    opened.wait(60)
    for line in events:
        if line.startswith(b"event: templates"):
            version = _version(asking, f"/studio/{path}", "POST", version)


def _version(client: HTTPConnection, path: str, method: str, version: str) -> str:
    headers = {"Content-Type": "application/json", "If-None-Match": version}
    client.request(method, path, b"null" if method == "POST" else None, headers)
    answer = client.getresponse()
    content = answer.read()
    assert answer.status in {200, 204}, (answer.status, content[:200])
    return content.partition(b'id="studio-version">')[2][:16].decode() or version
