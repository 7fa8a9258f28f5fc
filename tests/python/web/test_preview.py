"""routes/preview.py and pages.py: pages that show mails, and the parts of mails."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.config.settings import Settings
from pyservice.samples import storms
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled

PARTS = {"html": "text/html", "text": "text/plain", "headers": "text/plain", "source": "text/plain"}


@pytest.mark.parametrize("sample", samples.names())
def test_every_sample_in_every_part(client: TestClient, sample: str) -> None:
    """The parts are those of the mail's own source."""
    shown = {}
    for part, media_type in PARTS.items():
        response = client.get(f"/preview/build/{sample}?part={part}")
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        shown[part] = response.text
    source = client.get(f"/preview/build/{sample}?part=source").content
    mail = email.message_from_bytes(source, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert source.startswith(shown["headers"].encode())
    for subtype, part in (("html", "html"), ("plain", "text")):
        body = mail.get_body((subtype,))
        assert body is not None
        assert body.get_content() == shown[part]
    page = client.get(f"/preview/build/{sample}")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert str(mail["Subject"]).replace("»", "") in page.text.replace("»", "")


def test_a_mail_runs_nothing(client: TestClient) -> None:
    """The HTML is in a sandboxed frame, under a policy by which it loads and runs nothing."""
    policy = client.get("/preview/build/2-failure?part=html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    page = client.get("/preview/build/2-failure")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'sandbox="allow-popups' in page.text
    assert "<script" not in page.text


def test_the_list(client: TestClient) -> None:
    """Every template has a link for each sample, and so have digests."""
    page = client.get("/preview").text
    for sample in samples.names():
        assert f'href="/preview/build/{sample}"' in page
    for storm in storms.names():
        assert f'href="/preview/digest/{storm}"' in page
        for part, media_type in PARTS.items():
            shown = client.get(f"/preview/digest/{storm}?part={part}")
            assert shown.headers["content-type"] == f"{media_type}; charset=utf-8"
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
        ("/preview/build/2-failure?view=watch", 422),
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
    assert "shop » checkout #2" in client.get(answer["preview_url"]).text


def test_a_slip_in_a_template_is_shown(settings: Settings, tmp_path: Path) -> None:
    """A template's author sees line and error, in the mail that would be sent."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>\n{{ data.version }}</p>")
    with serve(settings.model_copy(update={"templates_dir": tmp_path / "t"})) as client:
        page = client.get("/preview/mine/2-failure?part=text").text
    assert "Template mine/body.html, line 2" in page
