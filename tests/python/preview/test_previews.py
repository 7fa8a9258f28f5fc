"""previews.py and source.py: the mail of each kind of source, or what is wrong with a template."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.auth.authenticator import Caller
from pyservice.auth.permissions import Permissions
from pyservice.auth.tokens import LOCAL
from pyservice.config.settings import Settings
from pyservice.errors import BusyError, JenkinsError, NotFoundError, PolicyError
from pyservice.mail.message import compose
from pyservice.mail.renderer import Renderer
from pyservice.preview import parts
from pyservice.preview.previews import Preview, Previews
from pyservice.preview.threads import BoundedThreads
from pyservice.samples import storms
from tests.builders.digests import LONG, end_wait
from tests.controller.recorded import RecordedJenkins
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled

HERE = Caller(LOCAL, Permissions())
FAILURE = "build:shop/checkout#2"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A folder with a template that works, and one with a slip."""
    for name, body in {"mine": "<p>{{ data.version }}", "slip": "<p>\n{{ biuld.job }}"}.items():
        (tmp_path / "t" / name).mkdir(parents=True)
        (tmp_path / "t" / name / "body.html").write_text(body)
    (tmp_path / "t" / "mine" / "data.json").write_text('{"version": "of data.json"}')
    return tmp_path / "t"


@pytest.fixture
def client(settings: Settings, templates: Path, jenkins: RecordedJenkins) -> Iterator[TestClient]:
    """A service with these templates and this Jenkins."""
    update = {"templates_dir": templates, "jenkins_url": jenkins.url}
    with serve(settings.model_copy(update=update)) as client:
        yield client


@pytest.fixture
def previews(client: TestClient) -> Previews:
    """The service's."""
    made: Previews = client.app.state.service.previews  # type: ignore[attr-defined]
    return made


def make(previews: Previews, template: str, source: str, caller: Caller = HERE) -> Preview:
    return asyncio.run(previews.make(template, source, caller))


@pytest.mark.parametrize("sample", samples.names())
def test_a_sample_is_the_mail_that_would_be_sent(previews: Previews, sample: str) -> None:
    """Made apart, in the sandbox, the built-in template's mail has the same bytes."""
    preview = make(previews, "build", sample)
    content = preview.content
    assert preview.faults == ()
    assert preview.mail == compose(content.shown, content.addressing, Renderer())
    assert content.title in preview.subject or content.title.split(" #")[0] in preview.subject
    assert content.state == samples.load(sample).build.result


def test_digests(previews: Previews) -> None:
    """They have a template and samples of their own."""
    for storm in storms.names():
        preview = make(previews, "digest", storm)
        assert preview.content.title == f"{storms.load_digest(storm).total} builds"
        assert preview.content.state == "digest"
        assert preview.mail.startswith(b"Message-ID: <preview.")
    for template, source in (("digest", "2-failure"), ("build", "one-job"), ("x", "2-failure")):
        with pytest.raises(NotFoundError, match="there are: "):
            make(previews, template, source)


def test_data_of_a_recorded_build(previews: Previews) -> None:
    """A recorded build has none, so it gets that of the template's data.json."""
    assert b"<p>of data.json" in parts.part(make(previews, "mine", "2-failure").mail, "html")


def test_a_slip_is_shown_with_the_mail_that_readers_get(previews: Previews) -> None:
    """The fault has file, line and the right name; the mail is the built-in template's."""
    preview = make(previews, "slip", "2-failure")
    [fault] = preview.faults
    assert (fault.file, fault.line, fault.suggestion) == ("slip/body.html", 2, "build")
    assert "Template slip/body.html, line 2" in parts.part(preview.mail, "text").decode()


def test_an_edit_is_seen_at_once(previews: Previews, templates: Path) -> None:
    """Previews of samples are kept until a file changes, data.json among them."""
    first = make(previews, "mine", "2-failure")
    assert make(previews, "mine", "2-failure") is first
    (templates / "mine" / "data.json").write_text('{"version": "changed"}')
    assert b"<p>changed" in parts.part(make(previews, "mine", "2-failure").mail, "html")
    (templates / "mine" / "body.html").write_text("<b>{{ data.version }}")
    assert b"<b>changed" in parts.part(make(previews, "mine", "2-failure").mail, "html")


def test_a_report_again_and_as_it_was_sent(
    client: TestClient, previews: Previews, postfix: PostfixStandIn, report: Json, templates: Path
) -> None:
    """`sent` is the bytes at Postfix; `report` is today's template with the report's own data."""
    report["mail"] |= {"template": "mine", "data": {"version": "of yesterday"}}
    answer = post(client, report).json()
    settled(client, answer)
    sent = make(previews, "mine", f"sent:{answer['id']}")
    assert sent.mail == postfix.mails[0].content
    (templates / "mine" / "body.html").write_text("<b>{{ data.version }}")
    again = make(previews, "mine", f"report:{answer['id']}")
    assert b"<p>of yesterday" in parts.part(sent.mail, "html")
    assert b"<b>of yesterday" in parts.part(again.mail, "html")
    assert again.content.addressing.message_id == answer["message_id"]
    for caller in (Caller("other", Permissions()), Caller(LOCAL, Permissions(jobs=("other",)))):
        with pytest.raises((NotFoundError, PolicyError)):
            make(previews, "mine", f"report:{answer['id']}", caller)


def test_a_digest_again(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A report whose build is in a digest shows all builds of it, with today's template."""
    update = {"rate_limits": ("job=1/hour",), "digest_after": LONG}
    with serve(settings.model_copy(update=update)) as client:
        answers = []
        for number in range(1, 4):
            changed = report["build"] | {"number": number}
            answers.append(post(client, report | {"build": changed}).json())
        end_wait(client)
        settled(client, answers[1])
        settled(client, answers[2], state="digested")
        previews: Previews = client.app.state.service.previews  # type: ignore[attr-defined]
        again = make(previews, "digest", f"report:{answers[2]['id']}")
        assert again.content.title == "2 builds"
        [digest] = [mail for mail in postfix.mails if b"2 builds" in mail.content]
        assert parts.part(again.mail, "html") == parts.part(digest.content, "html")
        with pytest.raises(NotFoundError, match="has a mail of its own"):
            make(previews, "digest", f"report:{answers[0]['id']}")
        with pytest.raises(NotFoundError):
            make(previews, "digest", f"report:{answers[2]['id']}", Caller("b", Permissions()))


def test_a_real_build(previews: Previews, jenkins: RecordedJenkins) -> None:
    """It is read once for all frames of a page, and has what Jenkins knows."""
    source = previews.builds.source(f"{jenkins.url}/job/shop/job/checkout/2/console")
    assert source == FAILURE
    mail = parts.part(make(previews, "build", source).mail, "text").decode()
    assert "use of undeclared identifier" in mail
    read = len(jenkins.requests)
    make(previews, "mine", source)
    assert len(jenkins.requests) == read <= 7


def test_a_build_is_for_a_bound_token_only(previews: Previews, jenkins: RecordedJenkins) -> None:
    """The service's API token shows nobody another team's log."""
    bound = Permissions.model_validate({"controller": jenkins.url, "jobs": ["shop"]})
    assert make(previews, "build", FAILURE, Caller("a", bound)).content.state == "FAILURE"
    for bounds in ({}, {"jobs": ["shop"]}, {"controller": jenkins.url, "jobs": ["team-b"]}):
        caller = Caller("b", Permissions.model_validate(bounds))
        with pytest.raises(PolicyError, match=r"bound to .* Give your token `controller`"):
            make(previews, "build", FAILURE, caller)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://elsewhere.example.com/job/shop/2", "no build's address below http"),
        ("{}/job/shop/job/checkout/", "no build's address"),
        ("{}/job/shop/../2/", "no build's address"),
        ("{}/view/all/2", "no build's address"),
        ("ledger", "no build's address"),
    ],
)
def test_what_is_no_build(
    previews: Previews, jenkins: RecordedJenkins, url: str, words: str
) -> None:
    """The error says what to copy."""
    with pytest.raises(NotFoundError, match=words):
        previews.builds.source(url.format(jenkins.url))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((404, {}, b""), NotFoundError, "Is the build still there"),
        ((403, {}, b""), JenkinsError, "give NOTIFY_EMAIL_JENKINS_USER"),
        ((503, {}, b""), JenkinsError, "answers 503"),
        ((200, {}, b"[]"), JenkinsError, "is no build"),
        ((200, {}, b"{}"), JenkinsError, "is no build"),
    ],
)
def test_what_jenkins_does_not_show(
    previews: Previews, jenkins: RecordedJenkins, answer: Any, error: type[Exception], words: str
) -> None:
    """The error names the cure; the next call reads the build again."""
    jenkins.answers["/job/shop/job/checkout/2/api/json"] = answer
    with pytest.raises(error, match=words):
        make(previews, "build", FAILURE)
    jenkins.answers.clear()
    assert make(previews, "build", FAILURE).content.state == "FAILURE"


def test_without_a_jenkins(settings: Settings) -> None:
    """The error names the settings."""
    with serve(settings) as client:
        previews: Previews = client.app.state.service.previews  # type: ignore[attr-defined]
        for call in (lambda: make(previews, "build", FAILURE), lambda: previews.builds.source("x")):
            with pytest.raises(NotFoundError, match="Set NOTIFY_EMAIL_JENKINS_URL"):
                call()


@pytest.mark.parametrize("source", ["build:x", "build:#1", "build:a#0", "build:a/../b#1", "x:y"])
def test_no_such_source(previews: Previews, source: str) -> None:
    """A source of another form is refused."""
    with pytest.raises(NotFoundError):
        make(previews, "build", source)


def test_an_own_sample(previews: Previews) -> None:
    """It is shown with its own data, to its owner only."""
    report = samples.load("2-failure")
    mail = report.mail.model_copy(update={"template": "mine", "data": {"version": "9"}})
    previews.own_samples.save(LOCAL, "mine", report.model_copy(update={"mail": mail}))
    assert b"<p>9" in parts.part(make(previews, "mine", "own:mine").mail, "html")
    with pytest.raises(NotFoundError, match="You have no sample mine"):
        make(previews, "mine", "own:mine", Caller("other", Permissions()))


def test_too_many_at_once() -> None:
    """What would wait too long is refused at once, and there is room again afterwards."""
    go_on = threading.Event()
    threads = BoundedThreads(1, 2, "test")

    async def crowd() -> list[Any]:
        calls = [asyncio.create_task(threads.run(go_on.wait, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    *served, refused = asyncio.run(crowd())
    assert served == [True, True]
    assert isinstance(refused, BusyError)
    assert asyncio.run(threads.run(json.loads, "1")) == 1
    threads.close()
