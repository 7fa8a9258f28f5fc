"""Hostile reports: each is refused with a reason, or becomes one mail that is as it was meant.

tests/corpus has them; its index says what each tries. hypothesis makes more.
"""

import email
import email.policy
import json
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pyservice.addresses import Mailbox
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, MalformedError, RenderError
from pyservice.mail import message as mail_module
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.policy.recipients import Recipients, resolve_recipients
from pyservice.report.schema import Report
from pyservice.web.limits import HttpLimits
from tests.builders.answers import problem
from tests.python.conftest import Json, PostfixStandIn, post, settled
from tests.strict_mail import OddMailError, decoded, dissect, mailbox

CORPUS = Path(__file__).parents[2] / "corpus"
INDEX: dict[str, Json] = tomllib.loads((CORPUS / "index.toml").read_text(encoding="utf-8"))
TAKEN = sorted(name for name, told in INDEX.items() if told["answer"] == 202)
REFUSED = sorted(set(INDEX) - set(TAKEN))

RENDERER = Renderer()
MAX_BODY = HttpLimits().max_body
SETTINGS = Settings(sender="Jenkins <jenkins@ci.example.com>")
WHEN = datetime(2026, 11, 23, 18, 19, 17, tzinfo=UTC)
MESSAGE_ID = "<notify-email.1@ci.example.com>"
HEADERS = {
    "Message-ID",
    "Content-Type",
    "From",
    "To",
    "Subject",
    "Date",
    "List-Id",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Jenkins-Job",
    "X-Jenkins-Result",
    "MIME-Version",
}


def body_of(name: str) -> bytes:
    return (CORPUS / name).read_bytes()


def composed(body: bytes, message_id: str = MESSAGE_ID) -> tuple[bytes, Report, Recipients]:
    """A body as its mail, without the service around it."""
    report = Report.parse(body)
    people = resolve_recipients(report.mail, SETTINGS)
    addressing = Addressing(SETTINGS.sender_mailbox, people, message_id, WHEN)
    return compose(report, addressing, RENDERER), report, people


def is_as_meant(mail: bytes, report: Report, people: Recipients) -> None:
    """By our own rules and by both of Python's parsers, which must see the same."""
    wanted = set(HEADERS)
    wanted |= {"Cc"} if people.cc else set()
    wanted |= {"Reply-To"} if people.reply_to else set()
    found = dissect(mail)
    assert found.headers.keys() == wanted
    body = RENDERER.render_safely(report)
    assert found.shown("Subject") in {body.subject, body.subject[:249] + "…", "?"}
    decoded(found.headers["X-Jenkins-Job"])
    assert found.headers["X-Jenkins-Result"] == report.build.result
    assert re.fullmatch(r"<[a-z0-9.-]{1,250}>", found.headers["List-Id"])
    assert (found.plain, found.html) == (body.text, body.html)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found.plain)
    for policy in (email.policy.default, email.policy.compat32):
        message: Any = email.message_from_bytes(mail, policy=policy)
        assert set(message.keys()) == wanted
        assert len(message.keys()) == len(wanted)
        assert not message.defects
        parts = message.get_payload()
        assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
        for part, text in zip(parts, (body.text, body.html), strict=True):
            assert not part.defects
            assert part.get_payload(decode=True).decode().replace("\r\n", "\n") == text
            assert part.keys() == ["Content-Type", "Content-Transfer-Encoding"]
    message = email.message_from_bytes(mail, policy=email.policy.default)
    for kind in ("to", "cc", "reply_to"):
        addresses = getattr(message[kind.replace("_", "-")], "addresses", ())
        boxes: tuple[Mailbox, ...] = getattr(people, kind)
        assert [one.addr_spec for one in addresses] == [box.address for box in boxes]


def test_the_corpus_is_told(request: pytest.FixtureRequest) -> None:
    """Each file stands in the index, and no other does."""
    assert {file.name for file in CORPUS.iterdir()} == INDEX.keys() | {"index.toml"}
    assert all(told["tries"] for told in INDEX.values())


@pytest.mark.parametrize("name", TAKEN)
def test_taken(client: TestClient, postfix: PostfixStandIn, name: str) -> None:
    """One mail arrives, byte for byte the one that was meant, at those who were meant."""
    told, body = INDEX[name], body_of(name)
    response = post(client, body)
    assert response.status_code == 202, response.text
    settled(client, response.json())
    [caught] = postfix.mails
    source = client.get(f"{response.json()['preview_url']}?part=source").content
    assert caught.content == source
    assert caught.recipients == told.get("recipients", ["ada@example.com"])
    assert b"secret@" not in caught.content
    report = Report.parse(body)
    is_as_meant(caught.content, report, resolve_recipients(report.mail, SETTINGS))
    says_what_is_told(caught.content, told)
    for part in ("html", "text", "headers"):
        assert client.get(f"{response.json()['preview_url']}?part={part}").status_code == 200
    assert client.get(response.json()["preview_url"]).status_code == 200


def says_what_is_told(content: bytes, told: Json) -> None:
    found = dissect(content)
    if "subject_is" in told:
        assert found.shown("Subject") == told["subject_is"]
    if "to_is" in told:
        assert list(mailbox(found.headers["To"])) == told["to_is"]
    for text in told.get("text_has", []):
        assert text in found.plain


@pytest.mark.parametrize("name", REFUSED)
def test_refused(client: TestClient, postfix: PostfixStandIn, name: str) -> None:
    """A problem says what is wrong, and with which member; nothing is sent."""
    told = INDEX[name]
    encoding = {"content_encoding": told["encoding"]} if "encoding" in told else {}
    found = problem(post(client, body_of(name), **encoding), told["answer"])
    if "member" in told:
        pointers = [error["pointer"] for error in found["errors"]]
        assert any(pointer.startswith(told["member"]) for pointer in pointers), pointers
    assert len(found["detail"]) < 600
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", found["detail"])
    assert not postfix.mails


def test_a_line_of_ten_megabytes(client: TestClient, report: Json) -> None:
    """Is refused before it is parsed; by itself it would be a mail like any other."""
    report["log"] = ["x" * 10 * MAX_BODY]
    problem(post(client, report), 413)
    part = mail_module._part("=_b", "plain", "é" * 5 * MAX_BODY)
    assert max(map(len, part.split(b"\r\n"))) <= 76


@pytest.mark.parametrize("name", TAKEN)
def test_every_python_writes_it_so(name: str) -> None:
    """The same without a service, to be run under other Pythons by itself."""
    mail, report, people = composed(body_of(name))
    is_as_meant(mail, report, people)
    says_what_is_told(mail, INDEX[name])


def test_the_boundary_itself() -> None:
    """Who knows a mail's Message-ID knows its boundary, and still can't write it into a part."""
    people = Recipients(to=(Mailbox("", "ada@example.com"),))
    addressing = Addressing(SETTINGS.sender_mailbox, people, MESSAGE_ID, WHEN)
    boundary = mail_module._boundary(addressing)
    evil = f"\r\n--{boundary}\r\nContent-Type: text/html\r\n\r\n<script>\r\n--{boundary}--\r\n"
    body = json.loads(body_of("dots.json"))
    body["error"]["message"] = body["build"]["description"] = evil
    body["log"] = [f"--{boundary}", f"--{boundary}--"]
    mail, report, people = composed(json.dumps(body).encode())
    is_as_meant(mail, report, people)
    assert f"--{boundary}" in dissect(mail).plain


# All that JSON can say: controls, bidi, line ends of all kinds. Halves of surrogate pairs are
# refused, as the corpus shows.
nasty = st.sampled_from(
    [
        "\r\n",
        "\n",
        "\r",
        "\0",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x85",
        "\u2028",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\U0001f600",
        "=?utf-8?q?a=0ABcc:_eve?=",
        "=?",
        "?=",
        "Bcc: eve@example.com",
        "\r\n.\r\n",
        "--=_",
        "<script>",
        '"',
        "\\",
        ",",
        "<",
        ">",
        " ",
        "x" * 80,
    ]
)
texts = st.lists(nasty | st.text(max_size=8), max_size=8).map("".join)
names = texts.map(lambda text: (text or "x")[:1024])


@st.composite
def bodies(draw: Callable[[Any], Any]) -> Json:
    """A request's body with arbitrary texts wherever a text may be."""
    who = f'"{draw(texts)}" <ada@example.com>'
    return {
        "schema": 1,
        "build": {
            "job": draw(names),
            "number": 2,
            "result": "FAILURE",
            "started_at": 1,
            "display_name": draw(names),
            "full_display_name": draw(st.none() | names),
            "description": draw(texts),
            "causes": [{"type": "x", "text": draw(texts)}],
        },
        "changes": {
            "total": 1,
            "items": [{"id": draw(names), "message": draw(texts), "author": draw(texts)}],
        },
        "error": {"message": draw(texts), "stage": draw(names)},
        "tests": {
            "total": 1,
            "failed": 1,
            "failures": [{"name": draw(names), "message": draw(texts)}],
        },
        "stages": [{"name": draw(names), "status": "FAILURE"}],
        "log": [draw(texts)],
        "mail": {
            "to": [draw(st.sampled_from(["ada@example.com", who]))],
            "reply_to": draw(st.sampled_from([[], [f'"{draw(texts)}" <bo@example.com>']])),
            "subject": draw(st.none() | texts),
            "data": {draw(texts): draw(texts)},
        },
    }


@settings(max_examples=200)
@given(bodies())
def test_any_texts(body: Json) -> None:
    """Any texts at all are refused, or are a mail that is as it was meant."""
    try:
        mail, report, people = composed(json.dumps(body).encode())
    except (MalformedError, InvalidError):
        return
    is_as_meant(mail, report, people)


EVIL = body_of("subject-crlf.json")


def test_a_header_that_nobody_wrote_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service looks at the bytes: had a value slipped through, it would rather send nothing."""
    monkeypatch.setattr(mail_module, "list_id", lambda *_: "<x>\r\nBcc: eve@example.com")
    with pytest.raises(RenderError, match="not the expected ones"):
        composed(EVIL)
    monkeypatch.setattr(mail_module, "_check", lambda *_: None)
    mail, report, people = composed(EVIL)
    assert b"\r\nBcc: eve@example.com\r\n" in mail
    with pytest.raises(AssertionError):
        is_as_meant(mail, report, people)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\nTo: ", b"\r\nBcc: eve@example.com\r\nTo: "),
        (b"\r\nTo: ", b"\r\nSubject: two\r\nTo: "),
        (b"\r\nTo: ", b"\r\nX:y\r\nTo: "),
        (b"\r\nTo: ", b"\r\n \r\nTo: "),
        (b"\r\nTo: ", b"\nTo: "),
        (b"\r\nTo: ", b"\rTo: "),
        (b"Subject: ", b"Subject: \0"),
        (b"Subject: ", "Subject: é".encode()),
        (b"Subject: ", b"Subject: " + b"x" * 998),
        (b"Subject: ", b"Subject: =?utf-8?b?8J8=?= "),
        (b"Subject: ", b"Subject: =?utf-8?q?a=0ABcc:_eve?= "),
        (b"Subject: ", b"Subject: =?utf-8?b?4oCu?= "),
        (b"\r\n\r\n--=_", b"\r\n\r\nbefore\r\n--=_"),
        (b"--\r\n", b"--\r\nafter\r\n"),
        (b"text/html", b"text/x-html"),
        (b"quoted-printable", b"8bit"),
        (b"FAILED: ", b"FAILED: =XY "),
        (b"FAILED: ", b"FAILED: " + b"x" * 77),
        (b"FAILED: ", b"FAILED: \r\n"),
        (b"FAILED: ", b"FAILED: =FF"),
        (b"<h1", b"<script>x</script>=\r\n<h1"),
        (b"<h1", b"<h1 onclick=3D"),
        (b"<h1", b"<a href=3D'data:x'>=\r\n<h1"),
    ],
)
def test_the_check_sees_what_is_odd(old: bytes, new: bytes) -> None:
    """Each of these, put into a good mail, is found."""
    mail, report, people = composed(EVIL)
    is_as_meant(mail, report, people)
    assert old in mail
    with pytest.raises((OddMailError, AssertionError, UnicodeDecodeError)):
        is_as_meant(mail.replace(old, new, 1), report, people)
