"""REROUTE_TO and DRY_RUN: all mail goes to one address, or nowhere, and a warning says so."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.config.settings import Settings
from pyservice.delivery.retry import RetryPolicy
from pyservice.web.reloading import reload
from tests.builders.answers import scrape_when
from tests.builders.command import run
from tests.builders.limits import QUICK
from tests.builders.log_lines import CLIENT, LINE
from tests.builders.patience import HANG
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for

OPS = "ops@example.com"
INSTEAD = f"rerouted to {OPS} instead of 2 recipients"


@pytest.fixture
def rerouted(settings: Settings) -> Settings:
    """All mail goes to OPS."""
    return settings.model_copy(update={"reroute_to": OPS})


@pytest.fixture
def dry(settings: Settings) -> Settings:
    """No mail goes anywhere."""
    return settings.model_copy(update={"dry_run": True})


@pytest.fixture
def two(report: Json) -> Json:
    """A report for two people."""
    return report | {"mail": {"to": ["a@x.org", "b@x.org"]}}


def change(client: TestClient, settings: Settings) -> None:
    """Reload the settings, as SIGHUP does."""
    reload(client.app, lambda: settings)  # type: ignore[arg-type]


def notes(status: Json) -> list[str]:
    """Return the notes of the history."""
    return [event["note"] for event in status["history"]]


def test_rerouted(rerouted: Settings, postfix: PostfixStandIn, two: Json) -> None:
    """One address gets the same mail, whose headers name its real recipients."""
    with serve(rerouted) as client:
        status = settled(client, post(client, two).json())
    [mail] = postfix.mails
    assert mail.recipients == [OPS]
    assert b"\r\nTo: a@x.org, b@x.org\r\n" in mail.content
    assert OPS.encode() not in mail.content
    assert (status["rerouted_to"], status["error"]) == (OPS, None)
    assert f"attempt 1, {INSTEAD}" in notes(status)


def test_what_waits_is_rerouted(settings: Settings, postfix: PostfixStandIn, two: Json) -> None:
    """A mail that was made before is rerouted with the same bytes, and goes back with them."""
    postfix.rcpt = dict.fromkeys(["a@x.org", "b@x.org", OPS], "450 4.2.0 later")
    with serve(settings) as client:
        answer = post(client, two).json()
        assert settled(client, answer, state="queued")["rerouted_to"] is None
        url = f"{answer['status_url']}/retry"
        change(client, settings.model_copy(update={"reroute_to": OPS}))
        assert client.post(url).status_code == 200
        wait_for(lambda: client.get(answer["status_url"]).json()["attempts"] == 2)
        assert settled(client, answer, state="queued")["rerouted_to"] == OPS
        change(client, settings)
        postfix.rcpt = {}
        client.post(url)
        status = settled(client, answer)
    assert status["rerouted_to"] is None
    assert [mail.recipients for mail in postfix.mails] == [["a@x.org", "b@x.org"]]


@pytest.mark.parametrize(
    ("reply", "state"), [("450 4.2.0 later", "queued"), ("550 5.1.1 no", "failed")]
)
def test_its_outcome_counts_for_all(
    rerouted: Settings, postfix: PostfixStandIn, two: Json, reply: str, state: str
) -> None:
    """If the one address is refused, all recipients are; all can be tried again without it."""
    postfix.rcpt = {OPS: reply}
    with serve(rerouted) as client:
        answer = post(client, two).json()
        assert settled(client, answer, state=state)["error"] == reply
        change(client, rerouted.model_copy(update={"reroute_to": None}))
        client.post(f"{answer['status_url']}/retry")
        settled(client, answer)
    assert [mail.recipients for mail in postfix.mails] == [["a@x.org", "b@x.org"]]


@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_reply_is_settled_by_the_log(
    rerouted: Settings,
    postfix: PostfixStandIn,
    two: Json,
    tmp_path: Path,
    count: int,
) -> None:
    """The log confirms the mail if Postfix queued it for the one address, and not if for two."""
    # The first is settled without another attempt; that of the second comes when the log was read.
    retry = RetryPolicy(first_delay=HANG if count == 1 else 5)
    limits = replace(QUICK, delivery=replace(QUICK.delivery, retry=retry))

    def hang_up(server: SMTP) -> None:
        postfix.data_hook = None
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = hang_up
    log = tmp_path / "mail.log"
    log.touch()
    with serve(rerouted.model_copy(update={"postfix_log": str(log)}), limits) as client:
        answer = post(client, two).json()
        settled(client, answer, state="queued")
        queued = f"from=<jenkins@ci.example.com>, size=9, nrcpt={count} (queue active)"
        lines = [
            LINE.format("smtpd", "4Q1", CLIENT),
            LINE.format("cleanup", "4Q1", f"message-id={answer['message_id']}"),
            LINE.format("qmgr", "4Q1", queued),
        ]
        log.write_text("\n".join(lines) + "\n")
        status = settled(client, answer)
    assert status["attempts"] == count
    assert len(postfix.mails) == count  # the stand-in had it before it hung up


def test_dry_run(dry: Settings, postfix: PostfixStandIn, two: Json) -> None:
    """The mail is made, kept and shown, and Postfix gets nothing."""
    with serve(dry) as client:
        answer = post(client, two).json()
        status = settled(client, answer, state="skipped")
        preview = client.get(answer["preview_url"])
        scrape_when(client, "mails_total", skipped=1)
        listed = client.get("/v1/reports", params={"state": "skipped"}).json()["reports"]
    assert (status["attempts"], status["next_attempt_at"], postfix.sessions) == (0, None, 0)
    states = [event["state"] for event in status["history"]]
    assert states == ["received", "queued", "skipped"]
    assert notes(status)[-1] == "NOTIFY_EMAIL_DRY_RUN is set: the mail was not sent"
    assert preview.status_code == 200
    assert [one["id"] for one in listed] == [answer["id"]]


def test_what_was_skipped_can_be_sent(
    dry: Settings, settings: Settings, postfix: PostfixStandIn, two: Json
) -> None:
    """A person can send a skipped mail after the dry run; nothing is sent by itself."""
    with serve(dry) as client:
        answer = post(client, two).json()
        settled(client, answer, state="skipped")
        before = client.get(f"{answer['preview_url']}?part=source").content
        done = run("outbox", "retry", answer["id"], NOTIFY_EMAIL_DATABASE_URL=dry.outbox_url)
        assert done.returncode == 0, done.stderr
        client.app.state.service.worker.wake()  # type: ignore[attr-defined]
        wait_for(
            lambda: notes(client.get(answer["status_url"]).json())[-1].startswith(
                "NOTIFY_EMAIL_DRY_RUN"
            )
        )
        change(client, settings)
        client.app.state.service.worker.wake()  # type: ignore[attr-defined]
        assert client.get(answer["status_url"]).json()["state"] == "skipped"
        done = run("outbox", "retry", answer["id"], NOTIFY_EMAIL_DATABASE_URL=dry.outbox_url)
        assert done.returncode == 0, done.stderr
        client.app.state.service.worker.wake()  # type: ignore[attr-defined]
        settled(client, answer)
        assert client.get(f"{answer['preview_url']}?part=source").content == before
    assert [mail.recipients for mail in postfix.mails] == [["a@x.org", "b@x.org"]]


def test_who_has_it_does_not_get_it_after_a_dry_run(
    settings: Settings, dry: Settings, postfix: PostfixStandIn, two: Json
) -> None:
    """After a dry run, only those get the mail who hadn't got it when the dry run began."""
    postfix.rcpt = {"b@x.org": "450 4.2.0 later"}
    with serve(settings) as client:
        answer = post(client, two).json()
        settled(client, answer, state="queued")
        change(client, dry)
        postfix.rcpt = {}
        client.post(f"{answer['status_url']}/retry")
        settled(client, answer, state="skipped")
        change(client, settings)
        client.post(f"{answer['status_url']}/retry")
        settled(client, answer)
    assert [mail.recipients for mail in postfix.mails] == [["a@x.org"], ["b@x.org"]]


def test_it_is_told_at_start(settings: Settings, rerouted: Settings, dry: Settings) -> None:
    """Each setting logs a warning and has a metric; without them there is neither."""
    for one, event, label in (
        (settings, None, {}),
        (rerouted, "reroute.enabled", {"reroute_to": 1}),
        (dry, "dry_run.enabled", {"dry_run": 1}),
    ):
        with capture_logs() as logs, serve(one) as client:
            scrape_when(client, "diverted", **label)
        warned = [log["event"] for log in logs if log["log_level"] == "warning"]
        assert warned == ([event] if event else [])


def test_it_is_told_after_a_change(settings: Settings, rerouted: Settings) -> None:
    """A reload by SIGHUP logs the warning, too."""
    with serve(settings) as client:
        with capture_logs() as logs:
            change(client, rerouted)
        scrape_when(client, "diverted", reroute_to=1)
    assert [log["to"] for log in logs if log["event"] == "reroute.enabled"] == [OPS]
