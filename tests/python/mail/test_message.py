"""message.py: headers and parts that no report can add to."""

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.identity import Thread
from pyservice.mail.message import (
    MAX_HEADER_LINE,
    Addressing,
    compose,
    list_id,
    with_stable_subject,
)
from pyservice.mail.renderer import Renderer
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Mail, Report

RENDERER = Renderer()
SENDER = Mailbox("Jenkins", "jenkins@ci.example.com")
WHEN = datetime(2026, 11, 23, 18, 19, 17, tzinfo=UTC)
HEADERS = [
    "Message-ID",
    "List-Id",
    "Content-Type",
    "From",
    "To",
    "Subject",
    "Date",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Jenkins-Job",
    "X-Jenkins-Result",
    "MIME-Version",
]


def composed(report: Report, people: Recipients | None = None) -> tuple[bytes, EmailMessage]:
    people = people or Recipients(to=(Mailbox("", "ada@example.com"),))
    mail = compose(report, Addressing(SENDER, people, "<1@ci.example.com>", WHEN), RENDERER)
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return mail, message


def named(job: str, **mail: object) -> Report:
    report = samples.load("2-failure")
    build = report.build.model_copy(update={"job": job, "full_display_name": job})
    return report.model_copy(update={"build": build, "mail": Mail.model_validate(mail)})


@pytest.mark.parametrize("name", samples.names())
def test_every_recorded_build_is_a_valid_mail(name: str) -> None:
    """Each header is there once, and both parts read back as rendered, in 7 bit and CRLF."""
    report = samples.load(name)
    mail, message = composed(report)
    body = RENDERER.render(report)
    assert message.keys() == HEADERS
    assert not message.defects
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    for part, text in zip(message.iter_parts(), (body.text, body.html), strict=True):
        assert part.get_content().replace("\r\n", "\n") == text
        assert not part.defects
    assert message["Subject"] == body.subject
    assert mail.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", mail)
    assert max(map(len, mail.split(b"\r\n"))) <= 78


def test_the_headers_that_machines_read() -> None:
    """No auto-responder answers, and readers can filter by job and result."""
    _, message = composed(samples.load("2-failure"))
    assert message["From"] == "Jenkins <jenkins@ci.example.com>"
    assert message["Date"] == "Mon, 23 Nov 2026 18:19:17 +0000"
    assert message["Message-ID"] == "<1@ci.example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["List-Id"] == "<checkout.shop.jenkins.ci.example.com>"
    assert message["X-Jenkins-Job"] == "shop/checkout"
    assert message["X-Jenkins-Result"] == "FAILURE"


def test_people() -> None:
    """Names of any script are readable; bcc is nowhere in the mail."""
    people = Recipients(
        to=(Mailbox("Ada Éxample", "ada@example.com"), Mailbox('Doe, "J"', "j@example.com")),
        cc=tuple(Mailbox("漢字" * 20, f"c{n}@example.com") for n in range(30)),
        bcc=(Mailbox("", "discreet@example.com"),),
        reply_to=(Mailbox("", "team@example.com"),),
    )
    mail, message = composed(samples.load("2-failure"), people)
    to = [(a.display_name, a.addr_spec) for a in message["To"].addresses]
    assert to == [("Ada Éxample", "ada@example.com"), ('Doe, "J"', "j@example.com")]
    assert [a.addr_spec for a in message["Cc"].addresses] == [b.address for b in people.cc]
    assert str(make_header(decode_header(_raw(mail, "Cc")))).count("漢字" * 20) == 30
    assert message["Reply-To"] == "team@example.com"
    assert message["From"].addresses[0].addr_spec == SENDER.address
    assert b"discreet" not in mail


def _raw(mail: bytes, name: str) -> str:
    head = mail.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    [value] = re.findall(rf"\n{name}: (.*(?:\n .*)*)", head)
    return str(value)


def test_bcc_alone() -> None:
    """A mail to hidden recipients has a To that names none of them."""
    _, message = composed(
        samples.load("2-failure"), Recipients(bcc=(Mailbox("", "s@example.com"),))
    )
    assert message["To"] == "undisclosed-recipients:;"


NASTY = [
    "=?utf-8?q?a=0ABcc:_evil@example.com?=",
    "=?utf-8?b?YQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=",
    "a\r\nBcc: evil@example.com",
    "a\r\n\r\n<html>",
    "a\nBcc: evil@example.com",
    "a\rBcc: evil@example.com",
    "a\x85Bcc: evil@example.com",
    "a\u2028Bcc: evil@example.com",
    "a\x0bBcc:\x0cevil@example.com",
    "\x00",
    "\u202eevil\u2066",
    '漢"/\\' * 125,
    "x" * 1000,
    "é" * 1000,
    "--=_boundary--",
    " ",
    "=?",
]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_becomes_a_header(text: str) -> None:
    """Job, subject and people's names of any content leave the headers as intended."""
    people = Recipients(to=(Mailbox(text, "ada@example.com"),))
    mail, message = composed(named(text, subject=text), people)
    _check(mail, message)
    assert [a.addr_spec for a in message["To"].addresses] == ["ada@example.com"]


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(max_examples=150)
@given(any_text.filter(bool), any_text, any_text)
def test_no_text_at_all_becomes_a_header(job: str, subject: str, name: str) -> None:
    """Arbitrary texts leave the headers as intended, too."""
    mail, message = composed(
        named(job, subject=subject), Recipients(to=(Mailbox(name, "a@x.org"),))
    )
    _check(mail, message)


def _check(mail: bytes, message: EmailMessage) -> None:
    head = mail.partition(b"\r\n\r\n")[0]
    assert message.keys() == HEADERS
    assert b"\0" not in mail
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", mail)
    assert all(0 < len(line) <= MAX_HEADER_LINE for line in head.split(b"\r\n"))
    assert not message.defects
    assert "Bcc" not in message
    assert "evil" not in str(message["To"].addresses[0].addr_spec)


def test_ordinary_text_survives() -> None:
    """Encoded text reads back unchanged."""
    _, message = composed(named("größe/漢字 build", subject="Ergebnis: größer » 漢字"))
    assert message["Subject"] == "Ergebnis: größer » 漢字"
    assert message["X-Jenkins-Job"] == "größe/漢字 build"


def test_text_that_looks_encoded_is_shown_as_it_is() -> None:
    """A text such as `=?…?=` is shown as it was written."""
    mail, _ = composed(named("a", subject="=?utf-8?q?a=0ABcc:_evil@example.com?="))
    shown = str(make_header(decode_header(_raw(mail, "Subject"))))
    assert shown == "=?utf-8?q?a=0ABcc:_evil@example.com?="


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("checkout", "<checkout.jenkins.x.org>"),
        ("shop/checkout", "<checkout.shop.jenkins.x.org>"),
        ("Shop/check out", r"<[0-9a-f]{10}\.check-out\.shop\.jenkins\.x\.org>"),
        ("漢字", r"<[0-9a-f]{10}\.jenkins\.x\.org>"),
        ("a/b/c/d/e/f", r"<[0-9a-f]{10}\.f\.e\.d\.c\.jenkins\.x\.org>"),
        ("x" * 500, r"<[0-9a-f]{10}\.x{30}\.jenkins\.x\.org>"),
    ],
)
def test_a_list_for_each_job(job: str, expected: str) -> None:
    """List-Id is made of atoms, short enough, and differs where jobs differ."""
    assert re.fullmatch(expected, list_id(job, "x.org"))
    assert list_id(job, "x.org") != list_id(job + "-", "x.org")
    assert len(list_id(job, "x" * 300)) <= 255


def in_thread(name: str, thread: Thread, *, is_stable: bool = False) -> EmailMessage:
    addressing = Addressing(
        SENDER,
        Recipients(to=(Mailbox("", "ada@example.com"),)),
        "<1@ci.example.com>",
        WHEN,
        thread,
        has_stable_subject=is_stable,
    )
    mail = compose(samples.load(name), addressing, RENDERER)
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_thread() -> None:
    """Its first mail refers to none, and the others to the first, unfolded."""
    first = in_thread("2-failure", Thread("<1@ci.example.com>", 2))
    assert not {"In-Reply-To", "References"} & set(first.keys())
    root = f"<notify-email.{'0' * 36}@ci.example.com>"
    later = in_thread("4-fixed", Thread(root, 2))
    assert later["In-Reply-To"] == later["References"] == root
    assert later["Subject"].startswith("Fixed: ")


def test_a_stable_subject() -> None:
    """All mails of a thread have it, and the state stands at the beginning of what is previewed."""
    thread = Thread("<0@ci.example.com>", 2)
    for name, state in (("2-failure", "Failed"), ("4-fixed", "Fixed")):
        message = in_thread(name, thread, is_stable=True)
        assert message["Subject"] == "shop/checkout: broken since #2"
        html = message.get_body(("html",))
        assert html is not None
        preheader = html.get_content().partition('class="preheader"')[2].partition("</div>")[0]
        assert preheader.partition(">")[2].startswith(f"{state}: ")


def test_a_subject_of_the_pipeline_is_kept() -> None:
    """Its author wants it in each mail."""
    report = with_stable_subject(named("shop", subject="Mine"), Thread("<0@x>", 2))
    assert report.mail.subject == "Mine"
