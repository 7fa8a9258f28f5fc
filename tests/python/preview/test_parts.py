"""parts.py: a mail taken apart."""

from datetime import UTC, datetime

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.mail.rendering import GMAIL_CLIP
from pyservice.policy.recipients import Recipients
from pyservice.preview.parts import MimePart, header, mime_tree, part, size, subject
from pyservice.report.attachments import Attachment

ADDRESSING = Addressing(
    Mailbox("Jenkins", "jenkins@ci.example.com"),
    Recipients(to=(Mailbox("Zoë", "zoe@example.com"),)),
    "<1@ci.example.com>",
    datetime(2026, 1, 1, tzinfo=UTC),
)


def a_mail(*files: Attachment) -> bytes:
    report = samples.load("2-failure").model_copy(update={"attachments": list(files)})
    return compose(report, ADDRESSING, Renderer())


def test_parts_and_headers() -> None:
    """Bodies and headers are decoded; the source is the mail itself."""
    mail = a_mail()
    assert part(mail, "source") == part(mail, "eml") == mail
    assert part(mail, "html").startswith(b"<!DOCTYPE html>")
    assert "Failed: shop » checkout #2" in part(mail, "text").decode()
    assert part(mail, "headers").endswith(b"MIME-Version: 1.0\r\n")
    assert subject(mail).startswith("Failed: shop » checkout #2")
    assert header(mail, "To") == "Zoë <zoe@example.com>"
    assert header(mail, "X-Nothing") == ""


def test_the_tree() -> None:
    """It has each part's type, size, charset and disposition."""
    log = Attachment.model_validate({"name": "log.txt", "content": "aGVsbG8=", "is_log": True})
    mail = a_mail(log)
    tree = mime_tree(mail)
    assert (tree.media_type, tree.disposition) == ("multipart/mixed", "")
    alternative, file = tree.parts
    assert [one.media_type for one in alternative.parts] == ["text/plain", "text/html"]
    assert alternative.parts[1] == MimePart(
        "text/html", len(part(mail, "html")), "utf-8", "quoted-printable", "", ""
    )
    assert (file.size, file.disposition, file.file_name) == (5, "attachment", "log.txt")
    assert tree.size == sum(one.size for one in tree.parts)


def test_what_gmail_hides() -> None:
    """A mail that is too large has the HTML beyond the limit."""
    mail = a_mail()
    fits = size(mail)
    assert (fits.mail, fits.html, fits.hidden) == (len(mail), len(part(mail, "html")), "")
    assert fits.share < 0.5
    long = mail.replace(b"</html>", b"x" * 70 + (b"=\r\n" + b"x" * 70) * 2000 + b"</html>")
    cut = size(long)
    assert cut.share > 1
    assert len(cut.hidden) == cut.html - GMAIL_CLIP
    assert cut.hidden.rstrip().endswith("</html>")
