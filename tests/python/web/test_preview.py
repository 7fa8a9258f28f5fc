"""routes/preview.py and pages/: pages that show mails, and the parts of mails."""

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.config.settings import Settings
from pyservice.samples import storms
from tests.builders.answers import problem
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled

PARTS = {
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "headers": "text/plain; charset=utf-8",
    "source": "text/plain; charset=utf-8",
    "eml": "message/rfc822",
}


@pytest.mark.parametrize("sample", samples.names())
def test_every_sample_in_every_part(client: TestClient, sample: str) -> None:
    """The parts are those of the mail's own source."""
    shown = {}
    for part, media_type in PARTS.items():
        response = client.get(f"/preview/build/{sample}?part={part}")
        assert response.status_code == 200
        assert response.headers["content-type"] == media_type
        shown[part] = response.text
    source = client.get(f"/preview/build/{sample}?part=source").content
    mail = email.message_from_bytes(source, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert source.startswith(shown["headers"].encode())
    assert shown["eml"].encode() == source
    for subtype, part in (("html", "html"), ("plain", "text")):
        body = mail.get_body((subtype,))
        assert body is not None
        assert body.get_content() == shown[part]
    page = client.get(f"/preview/build/{sample}")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert str(mail["Subject"]).replace("»", "") in page.text.replace("»", "")


@pytest.mark.parametrize("sample", ["1-success-first", "2-failure", "5-aborted"])
def test_a_sample_says_why_its_reader_gets_it(client: TestClient, sample: str) -> None:
    """A preview's reader is named as by a Pipeline, also where the service has no default."""
    for part in ("html", "text"):
        text = client.get(f"/preview/build/{sample}?part={part}").text
        assert "You are among the recipients that its Pipeline names." in text


def test_a_mail_runs_nothing(client: TestClient) -> None:
    """The HTML is in a sandboxed frame, under a policy by which it loads and runs nothing."""
    policy = client.get("/preview/build/2-failure?part=html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    page = client.get("/preview/build/2-failure")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'sandbox="allow-same-origin allow-popups' in page.text
    assert re.findall(r"<script(?! src=)|<style|<[^>]*\s(?:style|on\w+)=", page.text) == []


def test_digests(client: TestClient) -> None:
    """They have all parts."""
    for storm in storms.names():
        for part, media_type in PARTS.items():
            shown = client.get(f"/preview/digest/{storm}?part={part}")
            assert shown.headers["content-type"] == media_type
            assert shown.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/preview/nowhere/2-failure", 404),
        ("/preview/build/nowhere", 404),
        ("/preview/build/one-job", 404),
        ("/preview/digest/2-failure", 404),
        ("/preview/..%2f/2-failure", 404),
        ("/preview/build/..%2f..%2fpyproject", 404),
        ("/preview/build/2-failure?part=body", 422),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, status: int) -> None:
    """An unknown template, sample or part is refused, and the answer names those that exist."""
    response = client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_the_unknown_is_helped(client: TestClient) -> None:
    """The error lists the samples that exist."""
    assert "there are: build" in client.get("/preview/x/2-failure").json()["detail"]
    assert "2-failure" in client.get("/preview/build/x").json()["detail"]
    assert "part" in client.get("/preview/build/2-failure?part=x").json()["detail"]


def test_a_report_previews_the_bytes_that_were_sent(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """The page shows the mail that Postfix got."""
    answer = post(client, report).json()
    settled(client, answer)
    assert client.get(answer["preview_url"] + "?part=source").content == postfix.mails[0].content
    page = client.get(answer["preview_url"]).text
    assert "shop » checkout #2" in page
    assert f'<a href="/outbox/{answer["id"]}">The status of this mail</a>' in page


def test_a_slip_in_a_template_is_shown(settings: Settings, tmp_path: Path, report: Json) -> None:
    """A template's author sees the fault, and can see the mail that readers get instead."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>\n{{ data.version }}</p>")
    with serve(settings.model_copy(update={"templates_dir": tmp_path / "t"})) as client:
        text = client.get("/preview/mine/2-failure?part=text&fallback=true").text
        assert "Template mine/body.html, line 2" in text
        assert client.get("/preview/mine/2-failure").status_code == 200
        for refused in (
            client.get("/preview/mine/2-failure?part=html"),
            client.post("/preview/mine", json=report),
        ):
            answer = refused.json()
            assert refused.status_code == answer["status"] == 422
            assert refused.headers["content-type"] == "application/problem+json"
            assert answer["title"] == "Template fails"
            assert answer["faults"] == [
                {
                    "file": "mine/body.html",
                    "line": 2,
                    "reason": "'dict object' has no attribute 'version'",
                    "source": "{{ data.version }}</p>",
                    "suggestion": "",
                }
            ]


def test_a_posted_report(client: TestClient, report: Json) -> None:
    """Any part of its mail comes back, masked, and nothing is stored."""
    report["mail"]["body"] = "The password is hunter2, says DB_PASSWORD=hunter2"
    for part, media_type in PARTS.items():
        answer = client.post(f"/preview/build?part={part}", json=report)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        assert "DB_PASSWORD=hunter2" not in answer.text
    assert "DB_PASSWORD=****" in client.post("/preview/build?part=text", json=report).text
    assert client.post("/preview/build", json=report).text.startswith("<!DOCTYPE html>")
    assert client.get("/v1/reports").json()["reports"] == []


@pytest.mark.parametrize(
    ("body", "media_type", "status", "pointer"),
    [
        (b"{", "application/json", 400, None),
        (b'{"build": {}}', "application/json", 422, "/build/job"),
        (b"{}", "text/plain", 415, None),
        (b'{"x": "' + b"x" * 2**20 + b'"}', "application/json", 413, None),
    ],
)
def test_what_is_no_report(
    client: TestClient, body: bytes, media_type: str, status: int, pointer: str | None
) -> None:
    """It is refused as POST /v1/reports refuses it, with the pointers of what is wrong."""
    response = client.post("/preview/build", content=body, headers={"content-type": media_type})
    answer = problem(response, status)
    assert pointer is None or pointer in {error["pointer"] for error in answer["errors"]}
    assert problem(client.post("/preview/nowhere", json={}), 422)


DOCS = Path(__file__).parents[3] / "docs" / "template-variables.md"


def test_the_example_of_the_docs(settings: Settings, tmp_path: Path) -> None:
    """As it is written there, a template and its data make each part of the preview."""
    text = DOCS.read_text(encoding="utf-8")
    folder = tmp_path / "release"
    folder.mkdir()
    for source, name in re.findall(r"```jinja\n(\{# release/(\S+) #\}.*?)```", text, re.DOTALL):
        (folder / name).write_text(source)
    [data] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    (folder / "data.json").write_text(data)
    with serve(settings.model_copy(update={"templates_dir": tmp_path})) as client:
        mail = email.message_from_bytes(
            client.get("/preview/release/2-failure?part=source").content,
            policy=email.policy.default,
        )
        html = client.get("/preview/release/2-failure?part=html").text
        assert mail["Subject"] == "Released 1.4.2: shop/checkout"
        assert "Payments by card<br>" in html
        assert "Template release/" not in client.get("/preview/release/2-failure?part=text").text
        for wrong, words in (("[]", "an object"), ("{", "not JSON"), ('{"n": 1e999}', "1.8e308")):
            (folder / "data.json").write_text(wrong)
            refusal = problem(client.get("/preview/release/2-failure"), 422)
            assert "data.json" in refusal["detail"]
            assert words in refusal["detail"]


def test_a_mail_that_waits_is_shown_without_those_that_are_sent(
    settings: Settings, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made as a preview: a slow template would keep the mails that are sent waiting."""
    limited = settings.model_copy(update={"rate_limits": ("all=1/hour",), "digest_after": 1000.0})
    with serve(limited) as client:
        numbers = (report | {"build": report["build"] | {"number": n}} for n in (1, 2))
        waiting = [post(client, one).json() for one in numbers][1]
        service = client.app.state.service  # type: ignore[attr-defined]

        def fail(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(service.renderer, "render_safely", fail)
        shown = client.get(f"{waiting['preview_url']}?part=text")
        assert (shown.status_code, "shop/checkout" in shown.text) == (200, True)
