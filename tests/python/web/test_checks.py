"""pages/checks.py: what the checks find in a mail, beside it or as a page."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.auth import tokens
from pyservice.config.settings import Settings
from pyservice.preview.previews import Preview, Previews
from pyservice.preview.source import Content
from tests.builders.reports import report_of
from tests.controller.recorded import RecordedJenkins
from tests.python.conftest import post, serve

HTMX = {"HX-Request": "true"}


def test_a_good_mail_has_notes_only(client: TestClient) -> None:
    """A part of a page for htmx, and a page of its own without it."""
    part = client.get("/checks/build/2-failure", headers=HTMX)
    assert part.status_code == 200
    assert "No errors and no warnings" in part.text
    assert "<html" not in part.text
    assert "Outlook (Windows)" in part.text
    page = client.get("/checks/build/2-failure")
    assert "<html" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'href="/preview/build/2-failure"' in page.text
    assert '<a href="/preview" aria-current="page">' in page.text
    assert client.get("/checks/digest/one-job").status_code == 200
    assert client.get("/checks/build/none").status_code == 404
    assert client.get("/checks/none/2-failure").status_code == 404


def test_a_fault_has_its_line_and_cure(settings: Settings, tmp_path: Path) -> None:
    """In the template's own file; what it says is text, and no HTML."""
    (tmp_path / "team").mkdir()
    file = tmp_path / "team" / "body.html"
    file.write_text('<h1>Failed</h1>\n<p style="color: #cccccc">&lt;script>x&lt;/script></p>')
    with serve(settings.model_copy(update={"templates_dir": tmp_path})) as client:
        page = client.get("/checks/team/2-failure").text
        assert "#cccccc on #ffffff has a contrast of 1.6" in page
        assert (
            'href="/preview/team/2-failure#line-team-body-html-2">team/body.html, line 2<' in page
        )
        assert "Make the text #" in page
        assert "<script>x" not in page
        file.write_text("{{ nothing }}")
        assert "The template fails" in client.get("/checks/team/2-failure").text


def test_what_is_shown_is_checked(settings: Settings, tmp_path: Path) -> None:
    """The report as its author has edited it; while it can't be used, the checks stay."""
    (tmp_path / "team").mkdir()
    color = "{% if build.number == 3 %}#000000{% else %}#cccccc{% endif %}"
    (tmp_path / "team" / "body.html").write_text(f'<h1 style="color: {color}">Failed</h1>')
    path, faint = "/checks/team/2-failure", "#cccccc on #ffffff has a contrast of 1.6"
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    edited = report | {"build": report["build"] | {"number": 3}}
    with serve(settings.model_copy(update={"templates_dir": tmp_path})) as client:
        assert faint in client.post(path, json=None, headers=HTMX).text
        assert faint in client.get(path).text
        assert faint not in client.post(path, json=edited, headers=HTMX).text
        both = client.post(f"{path}?links=true", json=edited, headers=HTMX).text
        assert faint not in both
        assert "links were requested" in both
        edited["build"] = {}
        assert client.post(path, json=edited, headers=HTMX).status_code == 204
        assert client.post(f"{path}?links=true", json=edited, headers=HTMX).status_code == 422


def test_links_are_requested_on_request_only(
    settings: Settings, jenkins: RecordedJenkins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the controller at JENKINS_URL, after a POST that no other page can make."""
    made: list[str] = []
    render = Previews.render

    def counted(previews: Previews, template: str, content: Content) -> Preview:
        made.append(template)
        return render(previews, template, content)

    monkeypatch.setattr(Previews, "render", counted)
    url = f"{jenkins.url}/job/shop/job/checkout/2/"
    with serve(settings.model_copy(update={"jenkins_url": jenkins.url})) as client:
        path = f"/checks/build/report:{post(client, report_of('1-success', url=url)).json()['id']}"
        assert "links were requested" not in client.get(path).text
        made.clear()
        asked = client.post(f"{path}?links=true", headers=HTMX)
        assert made == ["build"]  # once, for the links and for the checks
        assert asked.status_code == 200
        assert "4 of 4 links were requested." in asked.text
        assert f"{url} answers 501." in asked.text  # of a HEAD, which this controller doesn't know
        foreign = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
    with serve(settings) as client:
        asked = client.post("/checks/build/2-failure?links=true")
        assert "0 of 7 links were requested" in asked.text


def test_checks_are_seen_by_whom_the_mail_is(settings: Settings, tmp_path: Path) -> None:
    """Without a token the shipped samples only; nobody unknown requests links."""
    file = tmp_path / "tokens"
    token = tokens.new(file, "desk")
    guarded = settings.model_copy(update={"tokens_file": file})
    with serve(guarded) as client:
        assert "Request the links" not in client.get("/checks/build/2-failure").text
        assert client.post("/checks/build/2-failure").status_code == 401
        assert client.get("/checks/build/report:1").status_code == 401
        known = {"Authorization": f"Bearer {token}"}
        assert "Request the links" in client.get("/checks/build/2-failure", headers=known).text
