"""text.py: the line about a mail in a build's description, and its place there."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.description.text import MARK, MAX_LENGTH, line, renewed
from pyservice.outbox.models import QueuedReport, Receipt
from pyservice.outbox.states import State
from pyservice.policy.recipients import Recipients

PEOPLE = Recipients(
    to=(Mailbox("", "ada@example.com"), Mailbox("Bob", "bob@example.com")),
    cc=(Mailbox("", "cora@example.com"),),
)
WITH_BCC = Recipients(to=PEOPLE.to, bcc=(Mailbox("", "eve@example.com"),))


def entry(state: str, people: Recipients = PEOPLE, **changed: Any) -> QueuedReport:
    """A report to some people whose mail is in a state."""
    return QueuedReport(
        id="1",
        owner="ci",
        report_hash="d",
        message_id="<m@x>",
        report=samples.load("2-failure"),
        recipients=people,
        created_at=0,
        state=State(state),
        pending_recipients=(),
        next_attempt_at=None,
        node="n",
        **changed,
    )


def receipt(name: str, state: str = "relayed", reply: str = "250 2.0.0 Ok") -> Receipt:
    return Receipt(f"{name}@example.com", state, reply, 0)


def status_in_line(entry: QueuedReport, *receipts: Receipt) -> str:
    """Return the line without its beginning."""
    text = line(entry, receipts)
    assert text is not None
    assert text.startswith(MARK)
    return text.removeprefix(MARK)


@pytest.mark.parametrize("state", ["received", "queued", "sending", "cancelled"])
def test_nothing_to_tell(state: str) -> None:
    """Before the first attempt there is no line."""
    assert line(entry(state), ()) is None


def test_what_is_known() -> None:
    """Each state has its words, the worst first, and the line says no more than is known."""
    three = [receipt("ada"), receipt("bob"), receipt("cora")]
    bounced = receipt("bob", "bounced", "550 5.1.1 <bob@example.com>: unknown")
    deferred = receipt("cora", "deferred", "451 4.7.1 later")
    assert status_in_line(entry("accepted")) == "accepted by Postfix for 3 recipients"
    assert status_in_line(entry("relayed"), three[0]) == "relayed to 1 of 3 recipients"
    assert status_in_line(entry("relayed"), *three) == "relayed to 3 recipients"
    assert status_in_line(entry("bounced"), three[0], deferred, bounced) == (
        "bounced for bob@example.com: 550 5.1.1 ‹bob@example.com›: unknown; "
        "deferred for cora@example.com: 451 4.7.1 later; relayed to 1 of 3 recipients"
    )
    assert status_in_line(entry("failed", error="550 no")) == "failed: 550 no"
    assert (
        status_in_line(entry("queued", error="451 x"))
        == "not sent to all yet, and tried again: 451 x"
    )
    assert status_in_line(entry("digested", digest_id="2")) == "in one mail with other builds"
    assert (
        status_in_line(entry("skipped")) == "made, and not sent, since NOTIFY_EMAIL_DRY_RUN is set"
    )
    partly = entry(
        "accepted", accepted_by_postfix=True, error="250 Ok; refused bob@example.com: 550 no"
    )
    assert status_in_line(partly) == (
        "accepted by Postfix; an attempt failed, perhaps for some only: "
        "refused bob@example.com: 550 no"
    )
    later = entry("relayed", accepted_by_postfix=True, error="451 later")
    assert status_in_line(later, *three[:2]) == (
        "relayed to 2 of 3 recipients; an attempt failed, perhaps for some only: 451 later"
    )
    assert status_in_line(later, *three) == "relayed to 3 recipients"
    alone = Recipients(to=PEOPLE.to[:1])
    assert status_in_line(entry("accepted", alone)) == "accepted by Postfix for 1 recipient"
    assert status_in_line(entry("relayed", alone), three[0]) == "relayed to 1 recipient"
    rerouted = entry("relayed", rerouted_to="ops@example.com")
    assert status_in_line(rerouted, receipt("ops")) == (
        "relayed to 1 recipient; rerouted by NOTIFY_EMAIL_REROUTE_TO, so its recipients haven't "
        "got it"
    )


def test_many() -> None:
    """Three recipients are named, the others counted, and the line is cut at its length."""
    boxes = tuple(Mailbox("", f"a{n}@example.com") for n in range(9))
    some = [receipt(f"a{n}", "bounced", "550 no") for n in range(9)]
    assert status_in_line(entry("bounced", Recipients(to=boxes)), *some).endswith(
        "a2@example.com: 550 no, 6 more"
    )
    long = receipt("ada", "bounced", "x" * 2000)
    assert len(line(entry("bounced"), [long]) or "") == MAX_LENGTH


def test_nobody_of_bcc_is_told() -> None:
    """A recipient in Bcc is not in the description, nor a reply that names it."""
    bounced = receipt("eve", "bounced", "550 <eve@example.com> unknown")
    secret = [
        status_in_line(entry("bounced", WITH_BCC), bounced),
        status_in_line(entry("failed", WITH_BCC, error="refused eve@example.com: 550")),
        status_in_line(
            entry(
                "accepted",
                WITH_BCC,
                accepted_by_postfix=True,
                error="250; refused eve@example.com: 550",
            )
        ),
        status_in_line(entry("queued", WITH_BCC, error="deferred eve@example.com: 450")),
        status_in_line(
            entry("relayed", rerouted_to="ops@example.com"), receipt("ops", "bounced", "550 ops")
        ),
    ]
    assert secret[0] == "bounced for a recipient who isn't named here"
    assert not [text for text in secret if "eve" in text or "ops" in text]


@given(st.text(), st.text(max_size=60))
def test_harmless(reply: str, address: str) -> None:
    """Any reply of a relay host becomes one line without a tag, and is recognized again."""
    people = Recipients(to=(Mailbox("", address),))
    text = line(entry("bounced", people), [Receipt(address, "bounced", reply, 0)])
    assert text is not None
    assert not set(text) & set("<>\r\n\0\u202e")
    assert len(text.splitlines()) == 1
    assert renewed(renewed("kept", text), MARK + "new") == f"kept\n{MARK}new"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "{}"),
        ("", "{}"),
        ("Release 1.4", "Release 1.4\n{}"),
        ("Release 1.4\r\n", "Release 1.4\r\n{}"),
        (MARK + "old", "{}"),
        (f"one\r\n{MARK}old\r\ntwo <b>", "one\r\n{}\r\ntwo <b>"),
        (f"one\n{MARK}old\ntwo\n{MARK}older", "one\n{}\ntwo"),
        (f"<p>one</p><p>{MARK}old</p>", "<p>one</p><p>{}</p>"),
        (f"{MARK}old<br>{MARK}older<br>two", "{}<br><br>two"),
        (f"As Bob asked: what is {MARK}?", f"As Bob asked: what is {MARK}?\n{{}}"),
        ("Mail: ada@example.com", "Mail: ada@example.com\n{}"),
        ("é ‹x› &lt; \\1", "é ‹x› &lt; \\1\n{}"),
    ],
)
def test_renewed(before: str | None, after: str) -> None:
    """Our line is replaced, all else stays as written, and a second time changes nothing."""
    new = MARK + r"relayed to 3 recipients \1"
    assert renewed(before, new) == after.format(new)
    assert renewed(renewed(before, new), new) == after.format(new)


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    """A description without our line stays whole."""
    if MARK not in text:
        assert renewed(text, MARK + "x").startswith(text)


def test_nobody_in_bcc_is_named() -> None:
    """Why a report reaches nobody names each who is left out, perhaps some in Bcc."""
    reason = "nobody gets a mail; eve@example.com is denied"
    skipped = entry("skipped", Recipients(), error=reason)
    assert status_in_line(skipped) == f"not sent: {reason}"
    report = skipped.report
    mail = report.mail.model_copy(update={"bcc": ["eve@example.com"]})
    hidden = replace(skipped, report=report.model_copy(update={"mail": mail}))
    assert status_in_line(hidden) == "not sent, since its recipients mean nobody in this build"
