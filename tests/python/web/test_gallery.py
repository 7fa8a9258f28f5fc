"""pages/gallery.py and pages/preview_actions.py: what people do with previews."""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from pyservice.errors import NoMailError
from pyservice.mail.own_templates import _ProcessLostError
from pyservice.preview import parts
from pyservice.samples.stories import STORIES
from pyservice.web.pages.gallery import PAGE
from tests.builders.answers import problem
from tests.builders.mails import ADDRESSING
from tests.controller.recorded import RecordedJenkins
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for


@pytest.fixture
def known(settings: Settings, jenkins: RecordedJenkins) -> Settings:
    """Settings of a service that knows the controller."""
    return settings.model_copy(update={"jenkins_url": jenkins.url})


def links(page: str) -> list[str]:
    """The stable links of a page's pictures."""
    return re.findall(r'class="picture-subject"><a href="([^"]+)"', page)


def test_every_sample_once(client: TestClient) -> None:
    """Its pages together have each template with each of its samples."""
    first = client.get("/preview").text
    assert f"{len(STORIES)} of {len(STORIES)} mails" in first
    second = client.get("/preview?page=2").text
    assert len(links(first)) == PAGE
    found = links(first) + links(second)
    assert sorted(found) == sorted(
        f"/preview/{'digest' if story.is_digest else 'build'}/{story.sample}" for story in STORIES
    )
    assert "Failed: shop » checkout #2 in Build" in first
    assert links(client.get("/preview?page=99").text) == links(second)


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        ("q=timed+OUT", ["8-timeout", "8-aborted-by-timeout"]),
        ("state=unstable", ["3-tests-fail", "3-unstable", "flaky"]),
        ("state=unstable&q=flaky", ["flaky"]),
        ("template=digest", ["many-jobs", "one-job"]),
        ("state=storm&template=build", []),
        ("q=%3Cscript%3E", []),
    ],
)
def test_filters(client: TestClient, query: str, sources: list[str]) -> None:
    """By state, template, and each word of a search; the form shows what was chosen."""
    page = client.get(f"/preview?{query}")
    assert [link.rpartition("/")[2] for link in links(page.text)] == sources
    assert f"{len(sources)} of {len(STORIES)} mails" in page.text
    assert "<script>" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src")


def test_a_process_that_is_lost(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs its mail, says so, and shows the rest of the page: nothing is a defect."""

    def lost(_: object) -> Json:
        raise _ProcessLostError("its process was ended (SIGKILL)")

    previews = client.app.state.service.previews  # type: ignore[attr-defined]
    monkeypatch.setattr(previews._process, "ask", lost)
    page = client.get("/preview")
    assert page.status_code == 200
    assert "No mail could be made." in page.text
    answer = problem(client.get("/preview/build/2-failure?part=html"), 503)
    assert "its process was ended (SIGKILL)" in answer["detail"]
    waiting = previews.compose(samples.load("2-failure"), ADDRESSING, is_known=True)
    with pytest.raises(NoMailError, match="No mail could be made"):
        asyncio.run(waiting)


def test_a_broken_template_is_marked(settings: Settings, tmp_path: Path) -> None:
    """With file, line and the name that may be meant, once for all of its pictures."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>\n{{ biuld.job }}")
    with serve(settings.model_copy(update={"templates_dir": tmp_path / "t"})) as client:
        page = client.get("/preview?template=mine").text
        assert page.count("<strong>mine/body.html, line 2:</strong>") == 1
        assert "Is <code>build</code> meant?" in page
        assert "Broken: mine/body.html, line 2" in page
        (tmp_path / "t" / "mine" / "data.json").write_text("{")
        assert "data.json, can&#39;t be used" in client.get("/preview?template=mine").text


def test_a_build_is_opened_kept_and_deleted(known: Settings, jenkins: RecordedJenkins) -> None:
    """Its URL leads to a stable link; as a sample it needs no Jenkins any more."""
    with serve(known) as client:
        what = f"{jenkins.url}/job/shop/job/checkout/2/console"
        opened = client.get("/preview/open", params={"what": what}, follow_redirects=False)
        assert opened.status_code == 303
        location = opened.headers["location"]
        assert location == "/preview/build/build:shop/checkout%232"
        html = client.get(location, params={"part": "html"}).text
        assert "use of undeclared identifier" in html
        form = {"template": "build", "source": unquote(location[15:]), "name": "ledger"}
        saved = client.post("/samples", data=form, follow_redirects=False)
        assert saved.headers["location"] == "/preview/build/own:ledger"
        jenkins.answers["json"] = (500, {}, b"")
        assert client.get("/preview/build/own:ledger?part=html").text == html
        page = client.get("/preview?state=yours").text
        assert links(page) == ["/preview/build/own:ledger"]
        client.post("/samples/ledger/delete")
        assert links(client.get("/preview?state=yours").text) == []
        assert client.post("/samples/ledger/delete").status_code == 404


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        ("https://elsewhere.example.com/job/a/1/", 404, "no build&#39;s address below http"),
        ("{}/job/shop/job/checkout/99", 404, "Is the build still there?"),
        ("00000000-0000-0000-0000-000000000000", 404, "There is no such report"),
        ("", 404, "no build&#39;s address"),
    ],
)
def test_what_cannot_be_opened(
    known: Settings, jenkins: RecordedJenkins, what: str, status: int, words: str
) -> None:
    """The gallery says why, beside what was typed."""
    with serve(known) as client:
        typed = what.format(jenkins.url)
        page = client.get("/preview/open", params={"what": typed})
        assert page.status_code == status
        assert words in page.text
        assert f'value="{typed}"' in page.text


def test_a_report_is_opened_by_its_link(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """The mail is made with today's template."""
    answer = post(client, report).json()
    settled(client, answer)
    opened = client.get(
        "/preview/open",
        params={"what": f"http://x/outbox/{answer['id']}"},
        follow_redirects=False,
    )
    assert opened.headers["location"] == f"/preview/build/report:{answer['id']}"
    sent = client.get(f"/preview/build/sent:{answer['id']}?part=eml").content
    assert sent == postfix.mails[0].content


def test_send_me_this(client: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """It is the mail of the preview to that one reader, and no mail of the job's thread."""
    first = post(client, report).json()
    settled(client, first)
    form = {"template": "build", "source": f"report:{first['id']}", "to": "me@example.com"}
    sent = client.post("/send-preview", data=form, follow_redirects=False)
    assert sent.status_code == 303
    report_id = re.fullmatch(r"/outbox/([0-9a-f-]{36})", sent.headers["location"])
    assert report_id
    settled(client, {"status_url": f"/v1/reports/{report_id[1]}"})
    mail = postfix.mails[-1]
    assert mail.recipients == ["me@example.com"]
    assert parts.subject(mail.content).startswith("[Preview] Failed: shop » checkout #2")
    assert b"In-Reply-To" not in mail.content
    later = post(client, report | {"build": report["build"] | {"number": 3}}).json()
    settled(client, later)
    thread = f"In-Reply-To: {first['message_id']}".encode()
    assert thread in postfix.mails[-1].content


def test_what_is_sent_and_kept_is_what_the_page_shows(
    client: TestClient, postfix: PostfixStandIn
) -> None:
    """The report as its author has edited it, without its secrets; else that of the source."""
    edited = samples.load("2-failure").model_dump(mode="json", exclude_none=True, by_alias=True)
    edited["build"] |= {"number": 4242, "full_display_name": "mine #4242"}
    edited["log"] = ["password=hunter2hunter2"]
    page = {"template": "build", "source": "2-compile-error", "report": json.dumps(edited)}
    # As browsers send them: this limits no length of a field.
    kept = client.post("/samples", data=page | {"name": "mine"}, follow_redirects=False)
    text = client.get(kept.headers["location"] + "?part=text").text
    assert "mine #4242" in text
    sent = client.post("/send-preview", data=page | {"to": "me@x.de"}, follow_redirects=False)
    report_id = sent.headers["location"].rpartition("/")[2]
    settled(client, {"status_url": f"/v1/reports/{report_id}"})
    mail = postfix.mails[-1].content
    assert parts.subject(mail).startswith("[Preview] Failed: mine #4242")
    for where in (mail.decode(), text, client.get(f"/outbox/{report_id}/export").text):
        assert "hunter2" not in where
    unedited = {"template": "build", "source": "2-compile-error", "report": "", "name": "other"}
    kept = client.post("/samples", data=unedited, follow_redirects=False)
    assert "main.c:2" in client.get(kept.headers["location"] + "?part=text").text


@pytest.mark.parametrize("path", ["/send-preview", "/samples"])
def test_an_edited_report_that_can_not_be_used(client: TestClient, path: str) -> None:
    """The answer names the member, and nothing is sent or kept."""
    form = {"template": "build", "source": "2-failure", "to": "me@example.com", "name": "mine"}
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True, by_alias=True)
    report["build"]["result"] = "BROKEN"
    answer = client.post(path, data=form | {"report": json.dumps(report)}, follow_redirects=False)
    assert answer.status_code == 422
    assert "/build/result" in answer.text
    assert client.get("/preview/build/own:mine").status_code == 404


def test_a_preview_waits_for_no_digest(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """Above a rate limit it is sent at once, all the same."""
    with serve(settings.model_copy(update={"rate_limits": ("job=1/hour",)})) as client:
        first = post(client, report).json()
        settled(client, first)
        form = {"template": "build", "source": f"report:{first['id']}", "to": "me@example.com"}
        sent = client.post("/send-preview", data=form, follow_redirects=False)
        report_id = sent.headers["location"].rpartition("/")[2]
        settled(client, {"status_url": f"/v1/reports/{report_id}"})
    assert len(postfix.mails) == 2


def test_a_report_can_not_call_itself_a_preview(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """Only the service does that: else a Pipeline would escape the rates."""
    with serve(settings.model_copy(update={"rate_limits": ("job=1/hour",)})) as client:
        settled(client, post(client, report).json())
        build = report["build"] | {"number": 99}
        mail = report["mail"] | {"is_preview": True}
        second = post(client, report | {"build": build, "mail": mail}).json()
        history = client.get(second["status_url"]).json()["history"]
        assert "waits up to" in history[-1]["note"], history
    assert b"[Preview]" not in b"".join(mail.content for mail in postfix.mails)


def test_a_preview_is_not_shown_on_its_builds_page(
    known: Settings, jenkins: RecordedJenkins, report: Json, tmp_path: Path
) -> None:
    """A report is, and another report later, but not the preview between them."""
    token = tmp_path / "jenkins.token"
    token.write_text("11ffeeddccbbaa99887766554433221100\n")
    update = {"jenkins_user": "ci", "jenkins_token_file": token, "build_description": True}
    job = f"{jenkins.url}/job/shop/job/checkout"

    def body(number: int) -> Json:
        return report | {"build": report["build"] | {"number": number, "url": f"{job}/{number}/"}}

    def reads(number: int) -> int:
        return jenkins.requests.count(f"/job/shop/job/checkout/{number}/api/json")

    with serve(known.model_copy(update=update)) as client:
        first = post(client, body(2)).json()
        settled(client, first)
        wait_for(lambda: reads(2) > 0)
        before = reads(2)
        form = {"template": "build", "source": f"report:{first['id']}", "to": "me@example.com"}
        sent = client.post("/send-preview", data=form, follow_redirects=False)
        report_id = sent.headers["location"].rpartition("/")[2]
        settled(client, {"status_url": f"/v1/reports/{report_id}"})
        settled(client, post(client, body(3)).json())
        wait_for(lambda: reads(3) > 0)
        assert reads(2) == before


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"to": "nobody"}, 422, "no mail address"),
        ({"to": "me@elsewhere.example.org"}, 403, "example.org"),
        ({"source": "nowhere"}, 404, "There is no sample"),
        ({"template": "digest", "source": "one-job"}, 422, "many builds"),
    ],
)
def test_what_is_not_sent(settings: Settings, form: Json, status: int, words: str) -> None:
    """The policy is that of a report."""
    whole = {"template": "build", "source": "2-failure", "to": "me@example.com"} | form
    with serve(settings.model_copy(update={"allowed_domains": ("example.com",)})) as client:
        answer = client.post("/send-preview", data=whole, follow_redirects=False)
        assert answer.status_code == status
        assert words in answer.text


def test_each_token_within_its_bounds(
    known: Settings, jenkins: RecordedJenkins, tmp_path: Path
) -> None:
    """Own samples are their owner's; builds and sending are bound as reports are."""
    file = tmp_path / "tokens.toml"
    bounds = {"controller": jenkins.url, "jobs": ["shop"]}
    callers = {
        "bound": tokens.new(file, "bound", Permissions.model_validate(bounds)),
        "other": tokens.new(file, "other", Permissions.model_validate({"jobs": ["team-b"]})),
        "team": tokens.new(file, "team", Permissions(jobs=("shop",))),
        "reader": tokens.new(file, "reader", Permissions(may=("see",))),
    }
    heads = {name: {"authorization": f"Bearer {token}"} for name, token in callers.items()}
    build = "build:shop/checkout#2"
    with serve(known.model_copy(update={"tokens_file": file})) as client:
        path = "/preview/build/build:shop/checkout%232?part=text"
        assert client.get(path, headers=heads["bound"]).status_code == 200
        for name in ("other", "reader"):
            refused = client.get(path, headers=heads[name])
            assert refused.status_code == 403
            assert "undeclared" not in refused.text
        form = {"template": "build", "source": build, "name": "mine"}
        client.post("/samples", data=form, headers=heads["bound"])
        for name, found in (("bound", 1), ("other", 0), ("reader", 0)):
            page = client.get("/preview?state=yours", headers=heads[name]).text
            assert len(links(page)) == found
        mine = "/preview/build/own:mine?part=text"
        assert client.get(mine, headers=heads["bound"]).status_code == 200
        assert client.get(mine, headers=heads["other"]).status_code == 404
        send = {"template": "build", "source": "2-failure", "to": "me@example.com"}
        for name in ("other", "reader"):
            answer = client.post(
                "/send-preview", data=send, headers=heads[name], follow_redirects=False
            )
            assert answer.status_code == 403
        answer = client.post(
            "/send-preview", data=send, headers=heads["team"], follow_redirects=False
        )
        assert answer.status_code == 303
        edited = samples.load("2-failure").model_dump(mode="json", exclude_none=True, by_alias=True)
        edited["build"]["job"] = "elsewhere/checkout"
        answer = client.post(
            "/send-preview",
            data=send | {"report": json.dumps(edited)},
            headers=heads["team"],
            follow_redirects=False,
        )
        assert answer.status_code == 403
        assert json.loads(client.get("/openapi.json").text)["paths"].get("/samples") is None


def test_without_a_token_there_are_shipped_samples_only(settings: Settings, tmp_path: Path) -> None:
    """In templates that we ship: an administrator's may have words that aren't for everybody."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>not for everybody")
    (tmp_path / "t" / "digest").mkdir()
    (tmp_path / "t" / "digest" / "body.html").write_text("<p>not for everybody")
    file = tmp_path / "tokens.toml"
    head = {"authorization": f"Bearer {tokens.new(file, 'ci')}"}
    guarded = settings.model_copy(update={"tokens_file": file, "templates_dir": tmp_path / "t"})
    with serve(guarded) as client:
        page = client.get("/preview").text
        assert "Log in" in page
        assert "mine" not in page
        assert {link.split("/")[2] for link in links(page)} == {"build"}
        assert client.get("/preview/build/2-failure?part=html").status_code == 200
        for path in (
            "/preview/mine/2-failure",
            "/preview/digest/one-job",
            "/preview/build/own:x",
            "/preview/build/report:x",
            "/preview/build/build:x%231",
            "/preview/nowhere/2-failure",
            "/preview/open?what=x",
        ):
            answer = client.get(path)
            assert answer.status_code in {401, 404}, path
            assert "not for everybody" not in answer.text
            assert ("nowhere" in path) == (answer.status_code == 404)
            assert "mine" not in answer.text.replace(path, "")
        for path in ("/preview/build", "/samples", "/samples/x/delete", "/send-preview"):
            form = {"template": "build", "source": "2-failure", "to": "a@b.de", "name": "x"}
            assert client.post(path, data=form).status_code in {401, 415}
        own = client.get("/preview/mine/2-failure?part=html", headers=head)
        assert "not for everybody" in own.text
        assert "mine" in client.get("/preview?template=mine", headers=head).text
