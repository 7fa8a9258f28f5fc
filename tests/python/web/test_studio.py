"""pages/studio.py and pages/compare.py: what an open page gets, and what it refuses."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.auth import tokens
from pyservice.config.settings import Settings
from pyservice.preview import difference, template_source
from pyservice.preview.difference import Difference
from pyservice.samples import stories
from pyservice.web.pages import compare, page
from tests.python.conftest import Json, serve

PAGE = "/preview/team/2-failure"
UPDATE = "/studio/team/2-failure"
COMPARED = "/compare?left_template=build&left_source=2-failure&right_source="


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """The HTML of an administrator's template."""
    file = tmp_path / "templates" / "team" / "body.html"
    file.parent.mkdir(parents=True)
    file.write_text("<p>{{ build.job }} {{ build.number }}</p>")
    return file


@pytest.fixture
def author(settings: Settings, body: Path) -> Iterator[TestClient]:
    """A client of a service with this template."""
    with serve(settings.model_copy(update={"templates_dir": body.parents[1]})) as client:
        yield client


def update(client: TestClient, report: Json | None = None, version: str = "") -> str:
    """What an open page gets; empty: it shows everything."""
    headers = {"If-None-Match": version, "Content-Type": "application/json"}
    answer = client.post(UPDATE, content=json.dumps(report), headers=headers)
    assert answer.status_code == (200 if answer.content else 204)
    return answer.text


def version_of(text: str) -> str:
    """The version of a page or of an update."""
    [version] = re.findall(r'id="studio-version">([0-9a-f]+)<', text)
    return str(version)


@pytest.mark.parametrize(
    ("update", "address"),
    [
        ({}, "http://127.0.0.2:8525"),
        ({"tls_cert": Path("cert.pem")}, "https://127.0.0.2:8525"),
        ({"public_url": "https://ci.example.com"}, "https://ci.example.com"),
    ],
)
def test_the_command_has_the_address_of_the_page(
    settings: Settings, update: Json, address: str
) -> None:
    """With HTTPS, too; else no service would answer it."""
    with serve(settings.model_copy(update=update)) as client:
        page = client.get("/preview/build/2-failure", headers={"host": "127.0.0.2:8525"}).text
        assert f"{address}/preview/build?part=eml" in page


def test_a_page_gets_what_has_changed(author: TestClient, body: Path) -> None:
    """A page that shows all of it already gets nothing."""
    version = version_of(author.get(PAGE).text)
    assert update(author, version=version) == ""
    body.write_text("<p>{{ build.number }}</p>")
    changed = update(author, version=version)
    assert "&lt;p&gt;2&lt;/p&gt;" in changed
    assert update(author, version=version_of(changed)) == ""
    body.with_name("data.json").write_text("{")
    assert "data.json, can&#39;t be used" in update(author, version=version_of(changed))


def test_an_edited_report_is_shown_and_not_kept(author: TestClient) -> None:
    """The page's own report stays as it was."""
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    report["build"]["number"] = 4711
    assert "shop/checkout 4711" in update(author, report)
    assert "4711" not in author.get(PAGE).text
    assert "4711" not in update(author)


def test_a_report_that_is_none_is_explained(author: TestClient) -> None:
    """By JSON pointers and sentences; the mail on the page stays."""
    answer = update(author, {"schema": 1, "build": {"job": "a", "number": "x"}})
    assert 'data-pointer="/build/number"' in answer
    assert "it must be a whole number" in answer
    assert "studio-html" not in answer
    broken = author.post(UPDATE, content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 200
    assert "The body is not JSON" in broken.text
    assert "studio-html" not in update(author, {"build": "</pre><script>x</script>"})
    form = author.post(UPDATE, content=b"{}", headers={"Content-Type": "text/plain"})
    assert form.status_code == 415


def test_a_digest_has_no_report(author: TestClient) -> None:
    shown = author.get("/preview/digest/one-job").text
    assert "no report to change" in shown
    assert 'id="report"' not in shown
    headers = {"Content-Type": "application/json"}
    answer = author.post("/studio/digest/one-job", content=b"null", headers=headers)
    assert "studio-html" in answer.text


def test_a_comparison_names_what_is_not_there(author: TestClient) -> None:
    """Its address needs both sides, which exist."""
    compared = author.get(COMPARED + "2-failure").text
    assert compared.count("Both are equal.") == 3
    assert '<a href="/preview" aria-current="page">' in compared
    assert "only on the right" in author.get(COMPARED + "3-tests-fail").text
    for path in (COMPARED + "none", "/compare?left_source=none&right_source=2-failure"):
        assert author.get(path).status_code == 404
    assert author.get("/compare").status_code == 422


def test_an_open_comparison_gets_what_has_changed(author: TestClient, body: Path) -> None:
    """The part that follows the templates, and nothing after a save that concerns neither."""
    path = "/compare?left_template=build&left_source=2-failure&right_template=team"
    path += "&right_source=2-failure"

    def seen(text: str) -> str:
        [version] = re.findall(r'name="seen" value="([0-9a-f]+)"', text)
        return f"{path}&part=compared&seen={version}"

    update = seen(author.get(path).text)
    assert author.get(update).status_code == 204
    other = body.parents[1] / "other" / "body.html"
    other.parent.mkdir()
    other.write_text("Elsewhere")
    assert author.get(update).status_code == 204
    body.write_text("<p>Tomorrow</p>")
    changed = author.get(update).text
    assert "Tomorrow" in changed
    assert "<html" not in changed
    assert "<form" not in changed
    assert author.get(seen(changed)).status_code == 204


def test_a_comparison_keeps_no_report_waiting(
    author: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts are compared, and the page is made, in the studio's own thread."""
    threads: list[str] = []

    def watched(before: str, after: str) -> Difference:
        threads.append(current_thread().name)
        return difference.compare(before, after)

    def watched_page(*about: Any, **context: Any) -> Response:
        threads.append(current_thread().name)
        return page.page(*about, **context)

    monkeypatch.setattr(compare, "compare", watched)
    monkeypatch.setattr(compare, "page", watched_page)
    assert author.get(COMPARED + "2-failure").status_code == 200
    assert len(threads) == 4
    assert all(name.startswith("studio") for name in threads)


@pytest.mark.parametrize(
    ("template", "source", "led_to"),
    [
        ("team", "3-unstable", "team/3-unstable"),
        ("digest", "3-unstable", "digest/many-jobs"),
        ("team", "many-jobs", f"team/{stories.names()[0]}"),
        ("team", "own:mine", "team/own:mine"),
    ],
)
def test_who_chooses_another_template_sees_a_mail(
    author: TestClient, template: str, source: str, led_to: str
) -> None:
    """Of the same build if the template has it, and else of its first sample."""
    wanted = {"template": template, "source": source}
    answer = author.get("/studio", params=wanted, follow_redirects=False)
    assert answer.headers["location"] == f"/preview/{led_to}"


def test_a_stranger_sees_what_we_ship_and_nothing_else(
    settings: Settings, body: Path, tmp_path: Path
) -> None:
    """The page hears of nothing, edits nothing and shows no template of the administrator's."""
    file = tmp_path / "tokens"
    token = tokens.new(file, "ci")
    new = {"templates_dir": body.parents[1], "tokens_file": file}
    with serve(settings.model_copy(update=new)) as client:
        page = client.get("/preview/build/2-failure").text
        assert "Log in" in page
        for kept in ("team", "sse-connect", 'id="report"', "/send-preview", "/compare"):
            assert kept not in page
        chosen = client.get("/studio?template=build&source=1-success", follow_redirects=False)
        assert chosen.headers["location"] == "/preview/build/1-success"
        for path in (PAGE, COMPARED + "2-failure", "/studio?template=team&source=2-failure"):
            assert client.get(path).status_code == 401
        assert client.post(UPDATE, json=None).status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get(PAGE).status_code == 200
        assert "$TOKEN" in client.get(PAGE).text


@pytest.mark.parametrize("name", ["..", ".", "nowhere"])
def test_no_other_folder_is_read(
    author: TestClient, body: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A path such as /preview/../x is no template's: nothing below that folder is opened."""
    (body.parents[2] / "elsewhere.txt").write_text("not for the studio")
    opened: list[Path] = []
    read = template_source._content

    def noted(file: Path) -> bytes:
        opened.append(file)
        return read(file)

    monkeypatch.setattr(template_source, "_content", noted)
    at = name.replace(".", "%2e")
    headers = {"Content-Type": "application/json"}
    assert author.get(f"/preview/{at}/2-failure").status_code == 404
    assert (
        author.post(f"/studio/{at}/2-failure", content=b"null", headers=headers).status_code == 404
    )
    assert opened == []
