"""attachments.py: each file arrives as it was sent, and its name can do nothing."""

import base64
import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.mail.attachments import OTHER, file_names, media_type
from pyservice.mail.message import MAX_HEADER_LINE
from pyservice.report.attachments import Attachment, NotAttached
from tests.python.mail.test_message import composed

BYTES = bytes(range(256)) * 40


def attached(name: str, content: bytes = BYTES, *, is_log: bool = False) -> Attachment:
    return Attachment(name=name, content=base64.b64encode(content).decode(), is_log=is_log)


def mailed(*files: Attachment) -> tuple[bytes, list[EmailMessage]]:
    """Return a mail with these files, and their parts."""
    report = samples.load("2-failure").model_copy(update={"attachments": list(files)})
    mail, message = composed(report)
    assert not message.defects
    return mail, list(message.iter_attachments())


def test_a_mail_with_files() -> None:
    """The body stays HTML and text, and each file reads back as the same bytes."""
    plain, _ = composed(samples.load("2-failure"))
    mail, parts = mailed(
        attached("reports/a.pdf"),
        attached("b.bin", b""),
        attached("build.log", b"\xc3\xbc", is_log=True),
    )
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message.get_content_type() == "multipart/mixed"
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert body.get_content().encode().strip() in plain_parts(plain)
    assert [part.get_filename() for part in parts] == ["a.pdf", "b.bin", "build.log"]
    assert [part.get_content() for part in parts] == [BYTES, b"", "ü"]
    assert [part.get_content_type() for part in parts] == ["application/pdf", OTHER, "text/plain"]
    assert all(part.get_content_disposition() == "attachment" for part in parts)
    assert mail.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", mail)
    assert max(map(len, mail.split(b"\r\n"))) <= 78


def plain_parts(mail: bytes) -> list[bytes]:
    """Return the contents of the parts of a mail without files."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return [part.get_content().encode().strip() for part in message.iter_parts()]


@given(st.text(min_size=1, max_size=1024).filter(str.strip))
def test_any_name(name: str) -> None:
    """It ends no header and begins none, leaves no folder, and the mail has one file."""
    mail, [part] = mailed(attached(name))
    assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
    shown = part.get_filename()
    assert shown
    assert not set('/\\\r\n\0"') & set(shown)
    assert not shown.startswith(".")
    assert part.get_content() == BYTES or part.get_content_maintype() in {"text", "message"}
    assert max(map(len, mail.split(b"\r\n"))) <= MAX_HEADER_LINE


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/report.pdf", "report.pdf"),
        ("a\r\nBcc: x@x.org", "a-Bcc- x@x.org"),
        ("../../etc/passwd", "passwd"),
        ("\x1b\xa0", "file"),
        ("größe 漢.txt", "größe 漢.txt"),
        ('a"; filename="b.exe', "a-; filename=-b.exe"),
        ("gpj.\u202eexe", "gpj.-exe"),
        ("x" * 100 + ".tar", "x" * 60 + ".tar"),
        ("..", "file"),
        ("a/", "file"),
    ],
)
def test_a_name(path: str, name: str) -> None:
    """Readers see the last part of the path, without what leaves a folder or turns letters."""
    _, [part] = mailed(attached(path))
    assert part.get_filename() == name


def test_equal_names() -> None:
    """Two files of one name in two folders have the folders in their names."""
    assert file_names(["a/x.log", "b/x.log", "c/y.log"]) == ["a-x.log", "b-x.log", "y.log"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.txt", "text/plain"),
        ("a.tar.gz", "application/gzip"),
        ("a.zip", "application/zip"),
        *((f"a.{ending}", OTHER) for ending in ("html", "htm", "svg", "xml", "xhtml", "js", "mjs")),
        *((f"a.{ending}", OTHER) for ending in ("eml", "mht", "unknown", "HTML", "xsl", "css")),
        ("html", OTHER),
    ],
)
def test_media_types(name: str, kind: str) -> None:
    """A mail program shows nothing by itself that could run."""
    assert media_type(name) == kind


def test_what_is_not_attached() -> None:
    """Both parts of the mail name the file, its size and the reason, and link to it in Jenkins."""
    named = [
        NotAttached(name="a b/ü.zip", size_bytes=4_000_000, reason="too large"),
        NotAttached(name="build.log", is_log=True, reason="none are sent"),
    ]
    report = samples.load("2-failure").model_copy(update={"not_attached": named})
    _, message = composed(report)
    url = report.build.url
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        text = body.get_content()
        assert f"{url}artifact/a%20b/%C3%BC.zip" in text
        assert f"{url}console" in text
        assert "4.0 MB" in text
        assert "too large" in text
