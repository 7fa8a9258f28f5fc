"""Hostile reports: each is refused with a reason, or becomes one mail that is as intended.

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
TAKEN = sorted(name for name, entry in INDEX.items() if entry["answer"] == 202)
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
    """Return the mail of a request's body, without the service."""
    report = Report.parse(body)
    people = resolve_recipients(report, SETTINGS)
    addressing = Addressing(SETTINGS.sender_mailbox, people, message_id, WHEN)
    return compose(report, addressing, RENDERER), report, people


def is_as_intended(mail: bytes, report: Report, people: Recipients) -> None:
    """Check a mail by our rules and by both of Python's parsers, which must read the same."""
    wanted = set(HEADERS)
    wanted |= {"Cc"} if people.cc else set()
    wanted |= {"Reply-To"} if people.reply_to else set()
    parts = dissect(mail)
    assert parts.headers.keys() == wanted
    body = RENDERER.render_safely(report)
    assert parts.shown("Subject") in {body.subject, body.subject[:249] + "…", "?"}
    decoded(parts.headers["X-Jenkins-Job"])
    assert parts.headers["X-Jenkins-Result"] == report.build.result
    assert re.fullmatch(r"<[a-z0-9.-]{1,250}>", parts.headers["List-Id"])
    assert (parts.plain, parts.html) == (body.text, body.html)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", parts.plain)
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


def test_the_corpus_is_told() -> None:
    """The index has each file, and no other."""
    assert {file.name for file in CORPUS.iterdir()} == INDEX.keys() | {"index.toml"}
    assert all(entry["tries"] for entry in INDEX.values())


@pytest.mark.parametrize("name", TAKEN)
def test_taken(client: TestClient, postfix: PostfixStandIn, name: str) -> None:
    """One mail arrives, with the intended bytes, at the intended recipients."""
    expected, body = INDEX[name], body_of(name)
    response = post(client, body)
    assert response.status_code == 202, response.text
    assert response.json()["left_out"] == expected.get("left_out", [])
    missing = {member["pointer"] for member in response.json()["missing"]}
    assert ("missing" in expected) == ("/build/url" in missing)
    settled(client, response.json())
    [caught] = postfix.mails
    source = client.get(f"{response.json()['preview_url']}?part=source").content
    assert caught.content == source
    assert caught.recipients == expected.get("recipients", ["ada@example.com"])
    assert b"secret@" not in caught.content
    report = Report.parse(body)
    is_as_intended(caught.content, report, resolve_recipients(report, SETTINGS))
    check_content(caught.content, expected)
    for part in ("html", "text", "headers"):
        assert client.get(f"{response.json()['preview_url']}?part={part}").status_code == 200
    assert client.get(response.json()["preview_url"]).status_code == 200


def check_content(content: bytes, expected: Json) -> None:
    parts = dissect(content)
    if expected.get("missing") == "/build/url":
        assert "href" not in parts.html
        assert "Build:" not in parts.plain
    if "subject_is" in expected:
        assert parts.shown("Subject") == expected["subject_is"]
    if "to_is" in expected:
        assert list(mailbox(parts.headers["To"])) == expected["to_is"]
    for text in expected.get("text_has", []):
        assert text in parts.plain


@pytest.mark.parametrize("name", REFUSED)
def test_refused(client: TestClient, postfix: PostfixStandIn, name: str) -> None:
    """A problem names the member and what is wrong with it; nothing is sent."""
    expected = INDEX[name]
    encoding = {"content_encoding": expected["encoding"]} if "encoding" in expected else {}
    answer = problem(post(client, body_of(name), **encoding), expected["answer"])
    if "member" in expected:
        pointers = [error["pointer"] for error in answer["errors"]]
        assert any(pointer.startswith(expected["member"]) for pointer in pointers), pointers
    assert len(answer["detail"]) < 600
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", answer["detail"])
    assert not postfix.mails


def test_a_line_of_ten_megabytes(client: TestClient, report: Json) -> None:
    """A body that is too large is refused before it is parsed, although its report is valid."""
    report["log"] = ["x" * 10 * MAX_BODY]
    problem(post(client, report), 413)
    part = mail_module._part("=_b", "plain", "é" * 5 * MAX_BODY)
    assert max(map(len, part.split(b"\r\n"))) <= 76


@pytest.mark.parametrize("name", TAKEN)
def test_every_python_writes_it_so(name: str) -> None:
    """The mails are as intended without a service, too; other Pythons run this test alone."""
    mail, report, people = composed(body_of(name))
    is_as_intended(mail, report, people)
    check_content(mail, INDEX[name])


def test_the_boundary_itself() -> None:
    """An author who knows a mail's boundary from its Message-ID can't write it into a part."""
    people = Recipients(to=(Mailbox("", "ada@example.com"),))
    addressing = Addressing(SETTINGS.sender_mailbox, people, MESSAGE_ID, WHEN)
    boundary = mail_module._boundary(addressing)
    evil = f"\r\n--{boundary}\r\nContent-Type: text/html\r\n\r\n<script>\r\n--{boundary}--\r\n"
    body = json.loads(body_of("dots.json"))
    body["error"]["message"] = body["build"]["description"] = evil
    body["log"] = [f"--{boundary}", f"--{boundary}--"]
    mail, report, people = composed(json.dumps(body).encode())
    is_as_intended(mail, report, people)
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
    """Return a request's body with arbitrary texts in all places for text."""
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
    """Arbitrary texts are refused, or become a mail that is as intended."""
    try:
        mail, report, people = composed(json.dumps(body).encode())
    except (MalformedError, InvalidError):
        return
    is_as_intended(mail, report, people)


EVIL = body_of("subject-crlf.json")


def test_an_unexpected_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service checks the bytes, and sends no mail with a header that it didn't intend."""
    monkeypatch.setattr(mail_module, "list_id", lambda *_: "<x>\r\nBcc: eve@example.com")
    with pytest.raises(RenderError, match="not the expected ones"):
        composed(EVIL)
    monkeypatch.setattr(mail_module, "_check", lambda *_: None)
    mail, report, people = composed(EVIL)
    assert b"\r\nBcc: eve@example.com\r\n" in mail
    with pytest.raises(AssertionError):
        is_as_intended(mail, report, people)


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
        (b"\r\nFailed: ", b"\r\nFailed: =XY "),
        (b"\r\nFailed: ", b"\r\nFailed: " + b"x" * 77),
        (b"\r\nFailed: ", b"\r\nFailed: \r\n"),
        (b"\r\nFailed: ", b"\r\nFailed: =FF"),
        (b"<h1", b"<script>x</script>=\r\n<h1"),
        (b"<h1", b"<h1 onclick=3D"),
        (b"<h1", b"<a href=3D'data:x'>=\r\n<h1"),
    ],
)
def test_the_check_sees_what_is_odd(old: bytes, new: bytes) -> None:
    """Each of these faults in a good mail is noticed by the tests' own check."""
    mail, report, people = composed(EVIL)
    is_as_intended(mail, report, people)
    assert old in mail
    with pytest.raises((OddMailError, AssertionError, UnicodeDecodeError)):
        is_as_intended(mail.replace(old, new, 1), report, people)
