"""mail_troubles.py: why a mail is not with its readers, and what to do about it."""

import re
from dataclasses import replace

import pytest

from pyservice.addresses import Mailbox
from pyservice.outbox.models import Event, QueuedReport, Receipt
from pyservice.outbox.states import State
from pyservice.policy.recipients import Recipients
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.mail_troubles import LATE, Trouble, troubles
from pyservice.setup.doctor.reply_rules import BY_POSTFIX, BY_RELAY_HOST
from tests.builders.outbox import REPORT

ADA, BOB = "ada@example.com", "bob@example.com"


def entry(state: str, error: str | None = None, **more: object) -> QueuedReport:
    """A report for two people."""
    waits = state in {"received", "queued", "sending"}
    plain = QueuedReport(
        id="1",
        owner="ci",
        report_hash="",
        message_id="<1@x>",
        report=REPORT,
        recipients=Recipients(to=(Mailbox("", ADA), Mailbox("", BOB))),
        created_at=0,
        state=State(state),
        pending_recipients=(ADA, BOB) if waits else (),
        next_attempt_at=60 if waits else None,
        node="node1",
        attempts=3,
        error=error,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def only(report: QueuedReport, note: str = "", *receipts: Receipt) -> Trouble:
    """The one trouble of a mail."""
    [trouble] = troubles(report, [Event(0, report.state, note)], receipts, 60)
    return trouble


@pytest.mark.parametrize("state", ["received", "queued", "sending", "accepted", "relayed"])
def test_all_is_well(state: str) -> None:
    """A mail on its way needs nobody."""
    assert troubles(entry(state), [], [Receipt(ADA, "relayed", "250 ok", 0)], 60) == []


@pytest.mark.parametrize(
    ("error", "finding", "words"),
    [
        ("554 5.7.1 <ada@example.com>: Relay access denied", "relay-denied", "mynetworks"),
        ("554 5.7.1 <x[10.0.0.1]>: Client host rejected: Access denied", "client-refused", ""),
        ("550 5.1.8 <j@x>: Sender address rejected: Domain not found", "sender-refused", "SENDER"),
        ("550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown", "", "address"),
        ("552 5.3.4 Error: message file too big", "", "message_size_limit"),
        ("554 5.7.1 no", "rejected", ""),
    ],
)
def test_postfix_refused_it(error: str, finding: str, words: str) -> None:
    """A refusal that is final says which of Postfix' rules it was, and what to change."""
    trouble = only(entry("failed", error))
    assert (trouble.severity, trouble.finding, trouble.quote) == ("bad", finding, error)
    assert words in f"{trouble.why} {trouble.todo} {trouble.command}"


@pytest.mark.parametrize(
    ("error", "finding", "words"),
    [
        ("127.0.0.1:25: connection refused", "postfix-down", "Start Postfix"),
        ("127.0.0.1:25: timed out", "", "doctor"),
        ("452 4.3.1 Insufficient system storage", "disk-full", "room"),
        ("450 4.2.0 <ada@example.com>: Greylisted, see http://x", "", "greylisting"),
        ("450 4.1.2 <ada@x.invalid>: Recipient address rejected: Domain not found", "", "DNS"),
        ("421 4.7.0 mx Error: too many connections from 127.0.0.1", "", "limit"),
        ("451 4.3.0 queue file write error", "", "tries again"),
        ("127.0.0.1:25 greets with '220 Exchange', not with 220", "", "not Postfix"),
    ],
)
def test_postfix_does_not_have_it_yet(error: str, finding: str, words: str) -> None:
    """What comes right by itself is no alarm, and says so."""
    trouble = only(entry("queued", error))
    assert (trouble.severity, trouble.finding) == ("warn", finding)
    assert words in f"{trouble.why} {trouble.todo}"


@pytest.mark.parametrize(
    ("state", "reply", "words"),
    [
        (
            "bounced",
            "host mx[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT)",
            "mailbox",
        ),
        ("bounced", "host mx said: 554 5.7.1 Relay access denied", "relay"),
        ("bounced", "Host or domain name not found. Name service error for name=x", "DNS"),
        ("bounced", "host mx said: 550 5.7.26 SPF check failed", "SENDER"),
        ("bounced", "host mx said: 554 5.7.1 blocked using bl.example.org", "policy"),
        ("bounced", "host mx said: 552 5.3.4 message size exceeds", "larger"),
        ("bounced", "host mx said: 599 no", "refused it for good"),
        ("deferred", "connect to mx[192.0.2.1]:25: Connection timed out", "does not reach"),
        ("deferred", "TLS is required, but was not offered by host mx", "encryption"),
        ("deferred", "Server certificate not trusted", "encryption"),
        ("deferred", "SASL authentication failed; server mx said: 535 5.7.8", "log in"),
        ("deferred", "host mx said: 450 4.2.0 Greylisted", "greylisting"),
        ("deferred", "host mx said: 452 4.2.2 Mailbox full", "full"),
        ("deferred", "host mx said: 451 4.3.0 later", "for now"),
    ],
)
def test_the_relay_host_says_no(state: str, reply: str, words: str) -> None:
    """Its words in the receipt say why; what bounced is for a person, what is deferred waits."""
    trouble = only(entry(state), "", Receipt(ADA, state, reply, 0))
    assert trouble.severity == ("bad" if state == "bounced" else "warn")
    assert ADA in trouble.what
    assert trouble.quote == reply
    assert words in f"{trouble.why} {trouble.todo}"


def test_recipients_with_one_reason_are_one_trouble() -> None:
    """The same refusal of two people is shown once; who has the mail isn't named."""
    receipts = [
        Receipt(ADA, "bounced", f"550 <{ADA}> unknown", 0),
        Receipt(BOB, "bounced", f"550 <{BOB}> unknown", 0),
        Receipt("c@x.org", "relayed", "250 ok", 0),
    ]
    trouble = only(entry("bounced"), "", *receipts)
    assert trouble.recipients == (ADA, BOB)
    assert trouble.what.startswith("2 recipients")


def test_some_have_it_and_some_do_not() -> None:
    """A mail that Postfix took for others still names whom it refused, the worst first."""
    error = f"refused {BOB}: 550 5.1.1 unknown user"
    deferred = Receipt(ADA, "deferred", "450 4.2.0 Greylisted", 0)
    first, second = troubles(entry("deferred", error), [], [deferred], 60)
    assert (first.severity, first.recipients) == ("bad", (BOB,))
    assert second.severity == "warn"
    given_up = only(entry("accepted", f"deferred {BOB}: 451 later"), "given up")
    assert given_up.severity == "bad"


def test_who_waits_is_named_where_others_have_the_mail() -> None:
    """It does not read as if nobody had it."""
    error = "450 4.2.0 <bob@example.com>: Recipient address rejected: Greylisted"
    trouble = only(entry("queued", error, pending_recipients=(BOB,)))
    assert trouble.what == "Postfix does not have the mail for bob@example.com yet."
    assert only(entry("queued", error)).what == "Postfix does not have the mail yet."


def test_postfix_says_nothing_for_long() -> None:
    """After a quarter of an hour without a receipt a person should look into Postfix' queue."""
    history = [Event(0, State.ACCEPTED, "250 ok")]
    assert troubles(entry("accepted"), history, [], LATE - 1) == []
    [trouble] = troubles(entry("accepted"), history, [], LATE + 1)
    assert (trouble.finding, trouble.command) == ("unanswered", "postqueue -p")


def test_each_end_has_its_reason() -> None:
    """Given up, not rendered, cancelled, dry run, nobody, digested, rerouted, over a rate."""
    note = "451 4.3.0 later; given up"
    assert "gave up after 3" in only(entry("failed", "451 4.3.0 later"), note).what
    unconfirmed = entry("failed", "connection lost", unconfirmed_attempts=5)
    assert "several times" in only(unconfirmed, "connection lost; given up").why
    broken = only(entry("failed", "It could not be rendered: html.j2, line 3: oh"))
    assert broken.quote == "html.j2, line 3: oh"
    assert "template" in broken.why
    assert "`notify-email outbox`" in only(entry("cancelled"), "says `notify-email outbox`").why
    dry = only(entry("skipped"), "NOTIFY_EMAIL_DRY_RUN is set: the mail was not sent")
    assert (dry.severity, "DRY_RUN" in dry.why) == ("info", True)
    mail = REPORT.mail.model_copy(update={"dry_run": True})
    of_author = entry("skipped", report=REPORT.model_copy(update={"mail": mail}))
    dry = only(of_author, "its Pipeline wants a dry run: the mail was not sent")
    assert (dry.severity, "dryRun" in dry.why) == ("info", True)
    nobody = entry("skipped", recipients=Recipients())
    assert only(nobody, "nobody gets a mail").quote == "nobody gets a mail"
    assert "digest" in only(entry("digested")).what
    assert "sweep@x.org" in only(entry("relayed", rerouted_to="sweep@x.org")).what
    assert "rate" in only(entry("received", digest_group="g")).why
    assert only(entry("received", "only Jenkins knows its recipients: timed out")).quote


def test_every_rule_has_an_end() -> None:
    """Whatever a server says, there is something to do; and each finding is the doctor's."""
    for rules in (BY_POSTFIX, BY_RELAY_HOST):
        assert any(re.search(rules[-1].words, text) for text in ("", "599 ☃"))
        for rule in rules:
            assert rule.why.endswith(".")
            assert rule.todo.endswith(".")
            assert not rule.finding or rule.finding in KNOWN
