"""worker.py: no mail is lost or doubled on bad days."""

import asyncio
import errno
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import SMTP
from jinja2 import PackageLoader

from pyservice import smtp as smtp_module
from pyservice.config.settings import Settings
from pyservice.delivery.retry import RetryPolicy
from pyservice.delivery.worker import DeliveryLimits
from pyservice.mail import composer
from pyservice.outbox.queue import Outbox
from tests.builders.limits import AMPLE, QUICK
from tests.builders.patience import HANG, PATIENCE
from tests.builders.ports import free_port
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for

IMPATIENT = replace(AMPLE, delivery=replace(AMPLE.delivery, retry=RetryPolicy(give_up_after=0)))
"""A deferred mail is given up at once."""


def test_accepted(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """The status has Postfix' queue ID, and the mail has the report's Message-ID."""
    with serve(settings) as client:
        answer = post(client, report).json()
        status = settled(client, answer)
    assert status["queue_id"] == "4Q0001"
    assert status["history"][-1]["note"] == "250 2.0.0 Ok: queued as 4Q0001"
    [mail] = postfix.mails
    assert mail.sender == "jenkins@ci.example.com"
    assert mail.recipients == ["ada@example.com"]
    assert f"Message-ID: {answer['message_id']}".encode() in mail.content


def test_retried_until_accepted(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A temporary reply delays a mail, which is then sent once."""
    postfix.data = ["451 4.3.0 later", "452 4.3.1 later still"]
    with serve(settings, QUICK) as client:
        status = settled(client, post(client, report).json())
    assert status["attempts"] == 3
    notes = [entry["note"] for entry in status["history"]]
    assert any(note.startswith("451 4.3.0 later; next attempt in") for note in notes)
    assert len(postfix.mails) == 1


def test_postfix_comes_back(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A report that is accepted while Postfix is away is mailed when it is back."""
    away = settings.model_copy(update={"smtp_port": free_port()})
    with serve(away, QUICK) as client:
        answer = post(client, report).json()
        status = settled(client, answer, state="queued")
        assert "connection refused" in status["error"]
        assert status["next_attempt_at"]
    with serve(settings, QUICK) as client:
        assert settled(client, answer)["state"] == "accepted"
    assert len(postfix.mails) == 1


def test_kept_as_failed(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """After a permanent reply the report is kept as failed, with the reply's text."""
    postfix.data = ["550 5.7.1 we do not like this"]
    with serve(settings) as client:
        status = settled(client, post(client, report).json(), state="failed")
    assert status["error"] == "550 5.7.1 we do not like this"
    assert status["attempts"] == 1


def test_only_the_deferred_are_tried_again(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A recipient that has the mail doesn't get it twice because of a deferred one."""
    postfix.rcpt = {"b@x.org": "450 4.2.0 greylisted", "c@x.org": "550 5.1.1 unknown"}
    report["mail"] = {"to": ["a@x.org", "b@x.org", "c@x.org"]}
    with serve(settings, QUICK) as client:
        answer = post(client, report).json()
        settled(client, answer, state="queued")
        postfix.rcpt = {}
        status = settled(client, answer)
    assert [mail.recipients for mail in postfix.mails] == [["a@x.org"], ["b@x.org"]]
    assert any("refused c@x.org: 550 5.1.1 unknown" in e["note"] for e in status["history"])
    assert "refused c@x.org: 550 5.1.1 unknown" in status["error"]


def test_the_error_is_what_is_still_true(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A deferral that came right is history; a refusal stays, after each further attempt."""
    postfix.rcpt = {"b@x.org": "450 4.2.0 greylisted"}
    report["mail"] = {"to": ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]}
    with serve(settings, QUICK) as client:
        answer = post(client, report).json()
        error = settled(client, answer, state="queued")["error"]
        assert "deferred b@x.org: 450 4.2.0 greylisted" in error
        postfix.rcpt = {}
        status = settled(client, answer)
        assert status["error"] is None
        assert any("450 4.2.0 greylisted" in entry["note"] for entry in status["history"])

        postfix.rcpt = {"b@x.org": "450 4.2.0 later", "c@x.org": "550 5.1.1 unknown; sorry"}
        report["build"]["number"] += 1
        answer = post(client, report).json()
        wait_for(lambda: client.get(answer["status_url"]).json()["attempts"] >= 3)
        assert (
            "refused c@x.org: 550 5.1.1 unknown" in client.get(answer["status_url"]).json()["error"]
        )
        postfix.rcpt = {"b@x.org": "554 5.7.1 no"}
        error = settled(client, answer)["error"]
    assert error == "refused b@x.org: 554 5.7.1 no; refused c@x.org: 550 5.1.1 unknown; sorry"


def test_refused_and_deferred_alike(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """Each is named, also where nobody is accepted; in the end only the refusal is left."""
    postfix.rcpt = {"a@x.org": "550 5.1.1 unknown", "b@x.org": "450 4.2.0 later"}
    report["mail"] = {"to": ["a@x.org", "b@x.org"]}
    with serve(settings, QUICK) as client:
        answer = post(client, report).json()
        error = settled(client, answer, state="queued")["error"]
        assert "refused a@x.org: 550 5.1.1 unknown" in error
        assert "deferred b@x.org: 450 4.2.0 later" in error
        postfix.rcpt = {}
        assert settled(client, answer)["error"] == "refused a@x.org: 550 5.1.1 unknown"


def test_given_up_on_some(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """The report is accepted for those who have its mail, and the status names the others."""
    postfix.rcpt = {"b@x.org": "450 4.2.0 greylisted"}
    postfix.data = ["250 2.0.0 Ok"]  # without a queue ID
    report["mail"] = {"to": ["a@x.org", "b@x.org"]}
    with serve(settings, IMPATIENT) as client:
        status = settled(client, post(client, report).json())
    assert status["error"] == "250 2.0.0 Ok; deferred b@x.org: 450 4.2.0 greylisted"
    assert status["history"][-1]["note"].endswith("; given up")


def test_given_up_on(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A mail that was deferred for too long is kept as failed."""
    postfix.data = ["451 4.3.0 never"]
    with serve(settings, IMPATIENT) as client:
        status = settled(client, post(client, report).json(), state="failed")
    assert status["error"] == "451 4.3.0 never"


def test_an_unconfirmed_mail_is_sent_again(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A mail whose reply is lost after the final dot is sent again, and the history says so."""

    def hang_up_once(server: SMTP) -> None:
        postfix.data_hook = None
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = hang_up_once
    with serve(settings, QUICK) as client:
        status = settled(client, post(client, report).json())
    assert any("may be doubled" in entry["note"] for entry in status["history"])
    assert len({mail.content for mail in postfix.mails}) == 1


def test_copies_are_bounded(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A Postfix that never replies to the final dot gets the mail a few times, not for days."""

    def hang_up(server: SMTP) -> None:
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = hang_up
    with serve(settings, QUICK) as client:
        status = settled(client, post(client, report).json(), state="failed")
    assert status["attempts"] == RetryPolicy().max_unconfirmed
    assert "Postfix may have it all the same" in status["error"]


def test_an_unexpected_error(
    settings: Settings,
    postfix: PostfixStandIn,
    report: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug in the middle of a conversation costs an attempt, not the mail."""
    slips = iter([True])
    send = smtp_module.Connection.send

    def unlucky(self: smtp_module.Connection, *args: Any) -> smtp_module.Outcome:
        if next(slips, False):
            raise ZeroDivisionError("slip")
        return send(self, *args)

    monkeypatch.setattr(smtp_module.Connection, "send", unlucky)
    with serve(settings, QUICK) as client:
        status = settled(client, post(client, report).json())
    assert any("failed while sending: slip" in entry["note"] for entry in status["history"])
    assert len(postfix.mails) == 1


def test_a_stop_does_not_wait_for_ever(
    settings: Settings,
    postfix: PostfixStandIn,
    report: Json,
) -> None:
    """If Postfix never replies to the final dot, the stop ends after the grace, and records it."""
    limits = replace(AMPLE, delivery=replace(AMPLE.delivery, grace=0.3))
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: SMTP) -> None:
        begun.set()
        go_on.wait(HANG)

    postfix.data_hook = wait
    with serve(settings, limits) as client:
        answer = post(client, report).json()
        assert begun.wait(PATIENCE)
        stopped = time.monotonic()
    assert time.monotonic() - stopped < PATIENCE
    go_on.set()
    postfix.data_hook = None
    with serve(settings) as client:
        history = client.get(answer["status_url"]).json()["history"]
    assert any("may be doubled" in entry["note"] for entry in history)


def test_the_attempt_under_way_is_finished(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A service that stops waits for Postfix' reply, and commits the outcome."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: SMTP) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    postfix.data_hook = wait
    limits = replace(AMPLE, delivery=replace(AMPLE.delivery, grace=PATIENCE))
    with serve(settings, limits) as client:
        answer = post(client, report).json()
        assert begun.wait(PATIENCE)
        threading.Timer(0.3, go_on.set).start()
    with serve(settings) as client:
        assert client.get(answer["status_url"]).json()["state"] == "accepted"
    assert len(postfix.mails) == 1


def test_a_failed_commit_after_acceptance_sends_nothing_twice(
    settings: Settings,
    postfix: PostfixStandIn,
    report: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the disk is full, the outcome is kept in memory, and committed when there is room."""
    failures = iter([True, False])
    finish_attempt = Outbox.finish_attempt

    def unlucky(self: Outbox, *args: object, **kwargs: object) -> None:
        if next(failures, False):
            raise sa.exc.OperationalError("", {}, Exception("database or disk is full"))
        finish_attempt(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Outbox, "finish_attempt", unlucky)
    with serve(settings) as client:
        status = settled(client, post(client, report).json())
    assert status["attempts"] == 1
    assert len(postfix.mails) == 1


def test_a_template_that_breaks_everything_is_kept_as_failed(
    settings: Settings, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that can't be rendered has failed, with the reason, and isn't tried for ever."""

    def broken(*_: object) -> bytes:
        raise ValueError("a slip of ours")

    monkeypatch.setattr(composer, "compose", broken)
    with serve(settings) as client:
        status = settled(client, post(client, report).json(), state="failed")
    assert status["error"] == "It could not be rendered: a slip of ours"


def test_a_machine_in_trouble(
    settings: Settings, postfix: PostfixStandIn, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A built-in template that can't be read for want of file descriptors is read again later."""
    read = PackageLoader.get_source
    failures: list[OSError] = []

    def fail_first(self: PackageLoader, *arguments: Any) -> Any:
        if not failures:
            failures.append(OSError(errno.EMFILE, "Too many open files"))
            raise failures[0]
        return read(self, *arguments)

    monkeypatch.setattr(PackageLoader, "get_source", fail_first)
    with serve(settings) as client:
        status = settled(client, post(client, report).json())
    assert (status["state"], status["attempts"]) == ("accepted", 1)
    assert failures
    assert len(postfix.mails) == 1


def test_an_open_connection_is_used_again(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A connection stays open until it was idle for its time, though the outbox is read earlier."""
    postfix.data = ["451 4.3.0 later", "451 4.3.0 later", "451 4.3.0 later"]
    delivery = replace(QUICK.delivery, connections=1, idle=PATIENCE)
    with serve(settings, replace(QUICK, delivery=delivery)) as client:
        assert settled(client, post(client, report).json())["attempts"] == 4
    assert postfix.sessions == 1


def test_an_idle_connection_is_closed(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """It ends after its time without a mail, and the next mail opens another."""
    delivery = replace(QUICK.delivery, connections=1, idle=0.1)
    with serve(settings, replace(QUICK, delivery=delivery)) as client:
        settled(client, post(client, report).json())
        wait_for(lambda: postfix.ended == 1)
        report["build"]["number"] += 1
        settled(client, post(client, report).json())
    assert postfix.sessions == 2


def test_many_at_once(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A hundred reports become a hundred mails, each sent once, over a few connections."""
    with serve(settings) as client:
        answers = []
        for number in range(1, 101):
            report["build"]["number"] = number
            answers.append(post(client, report).json())
        wait_for(lambda: len(postfix.mails) == 100)
        assert {settled(client, answer)["state"] for answer in answers} == {"accepted"}
    assert postfix.sessions <= DeliveryLimits().connections
    ids = {answer["message_id"].encode() for answer in answers}
    assert len(ids) == 100
    assert all(any(i in mail.content for mail in postfix.mails) for i in ids)


def test_own_templates_are_used(
    settings: Settings, postfix: PostfixStandIn, report: Json, tmp_path: Path
) -> None:
    """A mail is rendered with the templates in TEMPLATES_DIR."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "subject.txt").write_text("Mine: {{ build.number }}")
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>mine</p>")
    report["mail"]["template"] = "mine"
    with serve(settings.model_copy(update={"templates_dir": tmp_path / "t"})) as client:
        settled(client, post(client, report).json())
    assert b"Subject: Mine: 2\r\n" in postfix.mails[0].content
