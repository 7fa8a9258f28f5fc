"""text.py: what a build's description says of its mail, and where it stands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.description.text import MARK, MAX_LENGTH, line, page, renewed
from pyservice.outbox.models import QueuedReport, Receipt
from pyservice.outbox.states import State
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Build

ROOT = "https://ci.example.com/jenkins"
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


def told(entry: QueuedReport, *receipts: Receipt) -> str:
    """The line, without what it begins with."""
    found = line(entry, receipts)
    assert found is not None
    assert found.startswith(MARK)
    return found.removeprefix(MARK)


@pytest.mark.parametrize("state", ["received", "queued", "sending", "cancelled"])
def test_nothing_to_tell(state: str) -> None:
    """Before the first attempt there is no line."""
    assert line(entry(state), ()) is None


def test_what_is_known() -> None:
    """Each state has its words, the worst of a mail first, and no more is said than is known."""
    three = [receipt("ada"), receipt("bob"), receipt("cora")]
    bounced = receipt("bob", "bounced", "550 5.1.1 <bob@example.com>: unknown")
    deferred = receipt("cora", "deferred", "451 4.7.1 later")
    assert told(entry("accepted")) == "accepted by Postfix for 3 recipients"
    assert told(entry("relayed"), three[0]) == "relayed to 1 of 3 recipients"
    assert told(entry("relayed"), *three) == "relayed to 3 recipients"
    assert told(entry("bounced"), three[0], deferred, bounced) == (
        "bounced for bob@example.com: 550 5.1.1 ‹bob@example.com›: unknown; "
        "deferred for cora@example.com: 451 4.7.1 later; relayed to 1 of 3 recipients"
    )
    assert told(entry("failed", error="550 no")) == "failed: 550 no"
    assert told(entry("queued", error="451 x")) == "not sent to all yet, and tried again: 451 x"
    assert told(entry("digested", digest_id="2")) == "in one mail with other builds"
    assert told(entry("skipped")) == "made, and not sent, since DRY_RUN is set"
    partly = entry(
        "accepted", accepted_by_postfix=True, error="250 Ok; refused bob@example.com: 550 no"
    )
    assert told(partly) == (
        "accepted by Postfix; an attempt failed, perhaps for some only: "
        "refused bob@example.com: 550 no"
    )
    later = entry("relayed", accepted_by_postfix=True, error="451 later")
    assert told(later, *three[:2]) == (
        "relayed to 2 of 3 recipients; an attempt failed, perhaps for some only: 451 later"
    )
    assert told(later, *three) == "relayed to 3 recipients"
    alone = Recipients(to=PEOPLE.to[:1])
    assert told(entry("accepted", alone)) == "accepted by Postfix for 1 recipient"
    assert told(entry("relayed", alone), three[0]) == "relayed to 1 recipient"
    rerouted = entry("relayed", rerouted_to="ops@example.com")
    assert told(rerouted, receipt("ops")) == (
        "relayed to 1 recipient; rerouted by REROUTE_TO, so its recipients haven't got it"
    )


def test_many() -> None:
    """Three are named, the others counted; the line has its length."""
    boxes = tuple(Mailbox("", f"a{n}@example.com") for n in range(9))
    some = [receipt(f"a{n}", "bounced", "550 no") for n in range(9)]
    assert told(entry("bounced", Recipients(to=boxes)), *some).endswith(
        "a2@example.com: 550 no, 6 more"
    )
    long = receipt("ada", "bounced", "x" * 2000)
    assert len(line(entry("bounced"), [long]) or "") == MAX_LENGTH


def test_nobody_of_bcc_is_told() -> None:
    """Neither the address nor the words that name it are in a description that many read."""
    bounced = receipt("eve", "bounced", "550 <eve@example.com> unknown")
    secret = [
        told(entry("bounced", WITH_BCC), bounced),
        told(entry("failed", WITH_BCC, error="refused eve@example.com: 550")),
        told(
            entry(
                "accepted",
                WITH_BCC,
                accepted_by_postfix=True,
                error="250; refused eve@example.com: 550",
            )
        ),
        told(entry("queued", WITH_BCC, error="deferred eve@example.com: 450")),
        told(entry("relayed", rerouted_to="ops@example.com"), receipt("ops", "bounced", "550 ops")),
    ]
    assert secret[0] == "bounced for a recipient who isn't named here"
    assert not [text for text in secret if "eve" in text or "ops" in text]


@given(st.text(), st.text(max_size=60))
def test_harmless(reply: str, address: str) -> None:
    """Whatever a relay host says is one line without a tag, and is found again."""
    people = Recipients(to=(Mailbox("", address),))
    found = line(entry("bounced", people), [Receipt(address, "bounced", reply, 0)])
    assert found is not None
    assert not set(found) & set("<>\r\n\0\u202e")
    assert len(found.splitlines()) == 1
    assert renewed(renewed("kept", found), MARK + "new") == f"kept\n{MARK}new"


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
    """One line is ours; all else stays as people wrote it, and once more changes nothing."""
    new = MARK + r"relayed to 3 recipients \1"
    assert renewed(before, new) == after.format(new)
    assert renewed(renewed(before, new), new) == after.format(new)


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    """What has no line of ours is still there, whole."""
    if MARK not in text:
        assert renewed(text, MARK + "x").startswith(text)


def build(url: str | None, job: str = "shop/checkout", number: int = 2) -> Build:
    return samples.load("2-failure").build.model_copy(
        update={"url": url, "job": job, "number": number}
    )


@pytest.mark.parametrize(
    ("url", "job", "path"),
    [
        ("/job/shop/job/checkout/2/", "shop/checkout", "/job/shop/job/checkout/2"),
        ("/job/shop/job/checkout/2", "shop/checkout", "/job/shop/job/checkout/2"),
        ("/job/a%20b/2/", "a b", "/job/a%20b/2"),
        ("/job/m/job/feature%252Fx/2/", "m/feature%2Fx", "/job/m/job/feature%252Fx/2"),
        ("/job/%C3%A9t%C3%A9/2/", "été", "/job/%C3%A9t%C3%A9/2"),
    ],
)
def test_the_build_of_the_report(url: str, job: str, path: str) -> None:
    """Its page is made of the job's name and the number."""
    assert page(build(ROOT + url, job), ROOT) == ROOT + path


@pytest.mark.parametrize(
    "url",
    [
        None,
        "http://ci.example.com/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com:8443/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com.evil.org/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com@evil.org/jenkins/job/shop/job/checkout/2/",
        "https://ada@ci.example.com/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com/job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins-2/job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins/../job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins/x/%2e%2e/job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins\\job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins/job/shop/job/checkout/3/",
        "https://ci.example.com/jenkins/job/shop/job/checkout/02/",
        "https://ci.example.com/jenkins/job/shop/job/secret/2/",
        "https://ci.example.com/jenkins/job/shop/job/checkout/2/stop",
        "https://ci.example.com/jenkins/job/shop/job/checkout/2/?delay=1",
        "https://ci.example.com/jenkins/job/shop/job/checkout/2/#x",
        "https://ci.example.com/jenkins/job/shop%2Fjob%2Fcheckout/2/",
        "https://ci.example.com/jenkins/",
        "https://ci.example.com/jenkins//job/shop/job/checkout/2/",
        "http://[",
    ],
)
def test_no_other(url: str | None) -> None:
    """The token is used for no other host, port, scheme, prefix, job, number or page."""
    assert page(build(url), ROOT) is None


@pytest.mark.parametrize("job", ["..", "shop/../x", "shop//x", ".", ""])
def test_no_job(job: str) -> None:
    """A name that climbs is no job's, even where the address says the same."""
    path = "/".join(f"job/{name}" for name in job.split("/"))
    assert page(build(f"{ROOT}/{path}/2/", job), ROOT) is None
