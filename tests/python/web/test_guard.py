"""guard.py: what a foreign web page can have a browser do, which is nothing."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice.auth import tokens
from pyservice.config.settings import Settings
from pyservice.demo import Inbox
from pyservice.web.app import create_app
from tests.builders.answers import problem
from tests.python.conftest import LOCAL, Json, PostfixStandIn, post, serve

OWN = "http://127.0.0.1:8525"
FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8080"},
    {"sec-fetch-site": "cross-site", "origin": OWN},
    {"origin": "http://evil.example"},
    {"origin": "http://127.0.0.1:8080"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": ""},
]
OURS: list[dict[str, str]] = [
    {},
    {"sec-fetch-site": "same-origin", "origin": OWN},
    {"sec-fetch-site": "none"},
    {"origin": OWN},
    {"origin": "https://mail.example.com"},
]
PAGES = ["/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css", "/docs/oauth2-redirect"]


@pytest.fixture
def waiting(client: TestClient, postfix: PostfixStandIn, report: Json) -> str:
    """The address of a report that Postfix doesn't take yet."""
    postfix.rcpt["ada@example.com"] = "450 4.2.0 later"
    return str(post(client, report).json()["status_url"])


def test_foreign_pages(client: TestClient, report: Json, waiting: str) -> None:
    """A form or a script of another site can't send, retry or cancel."""
    for headers in FOREIGN:
        for path in ("/v1/reports", f"{waiting}/retry", f"{waiting}/cancel"):
            answer = client.post(path, json=report, headers=headers)
            assert answer.status_code == 403, (headers, path)
            assert "another site" in problem(answer, 403)["detail"]
    assert client.get(waiting).json()["state"] != "cancelled"


def test_own_pages_and_programs(settings: Settings, report: Json) -> None:
    """The service's own pages, curl and Jenkins can."""
    known = settings.model_copy(update={"public_url": "https://mail.example.com"})
    with serve(known) as client:
        for headers in OURS:
            answer = client.post("/v1/reports", json=report, headers=headers)
            assert answer.status_code in {200, 202}, headers


def test_a_token_is_no_excuse(settings: Settings, tmp_path: Path, report: Json) -> None:
    """A browser sends a Basic password by itself, for a foreign page, too."""
    file = tmp_path / "tokens"
    token = tokens.new(file, "ci")
    with serve(settings.model_copy(update={"tokens_file": file})) as client:
        headers = {"sec-fetch-site": "cross-site"}
        answer = client.post("/v1/reports", json=report, auth=("ci", token), headers=headers)
        problem(answer, 403)


def test_links_from_elsewhere(client: TestClient) -> None:
    """Whoever follows a link of a mail comes from another site, and may."""
    headers = {"sec-fetch-site": "cross-site"}
    assert client.get("/preview/build/2-failure", headers=headers).status_code == 200
    headers["sec-fetch-mode"] = "navigate"
    assert client.get("/preview/build/2-failure", headers=headers).status_code == 200
    assert client.head("/docs", headers=headers).status_code in {200, 405}


@pytest.mark.parametrize("path", ["/live?topic=outbox", "/outbox?q=x", "/metrics", "/v1/reports"])
def test_no_part_of_a_foreign_page(client: TestClient, path: str) -> None:
    """As a script or an image, or by fetch: it would measure answers, and hold connections."""
    for site in ("cross-site", "same-site"):
        for mode in ("no-cors", "cors"):
            headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
            assert "another site" in problem(client.get(path, headers=headers), 403)["detail"]


@pytest.fixture
def demo(settings: Settings, tmp_path: Path) -> TestClient:
    """The demo's service, with a mail in its inbox."""
    inbox = Inbox(tmp_path / "inbox")
    (tmp_path / "inbox" / "1.eml").write_bytes(b"Subject: x\r\n\r\ny\r\n")
    app = create_app(settings)
    app.include_router(inbox.routes())
    return TestClient(app, base_url=LOCAL)


def test_every_page(demo: TestClient) -> None:
    """No page of another site shows it in a frame, or reads it by a name of its own."""
    with demo as client:
        for path in [*PAGES, "/demo/inbox", "/demo/inbox/1", "/preview", "/healthz"]:
            answer = client.get(path)
            assert answer.status_code == 200, path
            policy = answer.headers.get("content-security-policy", "")
            assert "frame-ancestors 'none'" in policy, path
            foreign = client.get(path, headers={"host": "evil.example"})
            assert foreign.status_code == 421, path
