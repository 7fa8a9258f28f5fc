"""The corpus of hostile reports on all pages, in a real browser under the service's own policy."""

import json
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from pyservice import samples
from tests.browser.conftest import Looks, service

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.[jb]*"))
SCRIPTS = cycle(
    (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "'><svg onload=alert(1)>",
        "<img src=//evil.example.com/x.png>",
        "</title></textarea></pre><script src=//evil.example.com/x.js></script>",
        "<a href=javascript:alert(1) hx-get=//evil.example.com hx-trigger=load>x</a>",
        "<div hx-on:htmx:load=alert(1) data-hx-on--load=alert(1) sse-connect=/live>x</div>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "{{ 7 * 7 }}{% include '/etc/passwd' %}${7*7}",
        "javascript:alert(1)//",
        "<style>@import '//evil.example.com/x.css'</style>",
        "<meta http-equiv=refresh content='0;url=//evil.example.com'>",
    )
)
OPENED = {"html-everywhere.json", "css-everywhere.json", "bodies-bidi.json", "name-angle.json"}
"""Files whose reports are opened one by one, too."""
SHORT = {"job", "name", "display_name", "full_display_name", "author", "stage", "suite", "template"}


def poisoned(value: Any, name: str = "") -> Any:
    """Return a report's part with a script in each text that may be any text."""
    if isinstance(value, dict):
        return {key: poisoned(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, name) for one in value]
    fixed = ("url", "result", "status", "edit", "id", "parent", "kind", "type", "email", "to")
    if not isinstance(value, str) or name in fixed or name.endswith(("_result", "_url")):
        return value
    return f"{value[:100] if name in SHORT else value}{next(SCRIPTS)}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that reroutes nothing and has nobody who takes its mails."""
    with service(tmp_path_factory.mktemp("hostile")) as address:
        yield address


def reports() -> Iterator[tuple[str, bytes]]:
    """Each file of the corpus, and recorded builds with scripts in all their texts."""
    for file in CORPUS:
        yield file.name, file.read_bytes()
    for sample in ("2-failure", "2-compile-error", "20-multibranch"):
        body = samples.load(sample).model_dump(mode="json", exclude_none=True)
        mail = {"to": "ada@example.com", "subject": next(SCRIPTS)}
        yield "poisoned", json.dumps(poisoned(body) | {"mail": mail}).encode()


def test_no_page_runs_or_loads_anything(browser: Browser, hostile: str) -> None:
    """There is no dialog, no request to elsewhere, no error in the console and no broken policy."""
    watched = Looks(browser, hostile).at(1280, 900)
    page = watched.open("/", is_live=True)
    opened, accepted = [], 0
    for name, body in reports():
        answer = page.request.post(
            f"{hostile}/v1/reports", data=body, headers={"content-type": "application/json"}
        )
        assert answer.status < 500, name
        accepted += answer.ok
        if answer.ok and (name in OPENED or name == "poisoned"):
            opened.append(answer.json()["id"])
        assert name != "poisoned" or answer.ok, answer.text()
    assert accepted > 60
    assert len(opened) >= 5
    paths = ["/", "/outbox", "/outbox?q=%3Cscript%3Ealert(1)%3C/script%3E", "/outbox/rates"]
    paths += [
        "/preview?q=%22%3E%3Csvg%20onload=alert(1)%3E",
        "/preview/open?what=javascript:alert(1)",
    ]
    for report_id in opened:
        paths += [f"/outbox/{report_id}", f"/v1/reports/{report_id}/preview"]
        paths += [f"/preview/build/report:{report_id}"]
    for path in paths:
        page.goto(hostile + path, wait_until="load")
        page.wait_for_timeout(150)  # what htmx and frames load is loaded
        assert page.url.startswith(hostile), path
        found = [one for one in watched.troubles if "status of 4" not in one]
        assert found == [], (path, found)
        if path == "/outbox":
            assert "alert(1)" in page.locator("main").inner_text()  # the scripts are there, as text
    page.context.close()
