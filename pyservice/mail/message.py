"""Makes the bytes of a mail from a rendered report: headers, Message-ID, MIME parts.

Every value of a report is untrusted. Free text is encoded by RFC 2047 before it becomes a header,
and the headers of the finished bytes are checked: none may reach Postfix that was not meant
(Python 3.11's email package once decoded `=?utf-8?q?a=0ABcc:…?=` in a subject into a Bcc).
"""

import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import Message
from email.policy import Compat32
from email.utils import format_datetime

from pyservice.addresses import Mailbox
from pyservice.analysis.digest import Digest
from pyservice.errors import RenderError
from pyservice.identity import Thread
from pyservice.mail.attachments import attachment_parts
from pyservice.mail.inline_images import image_parts
from pyservice.mail.renderer import Renderer
from pyservice.mail.rendering import Body
from pyservice.policy.recipients import Recipients
from pyservice.report.readable import job_name
from pyservice.report.schema import Report
from pyservice.text import one_line, shorten

MAX_SUBJECT = 250
PREVIEW = "[Preview] "
"""How the subject of a mail begins that a person sends from a preview."""
MAX_NAME = 100
"""Characters of a person's name: Postfix cuts headers off at 100 KB (header_size_limit)."""
MAX_HEADER_LINE = 998
"""Octets, without the line end (RFC 5322, section 2.1.1)."""
MAX_WORD = 60
"""Characters without a space that a header can't fold at; longer ones are encoded."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_PRINTABLE_ASCII = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_NO_LABEL = re.compile(r"[^a-z0-9]+")
# Where `binascii` encodes a line's last space, it makes up to 78 octets of at most 76.
_TOO_LONG = re.compile(rb"(?m)^(.{74,})(=20|=09)$")
# The generator's default would fold long headers at 78 and leave line ends as they are.
_WIRE = Compat32(linesep="\r\n", max_line_length=76)


@dataclass(frozen=True)
class Addressing:
    """What a mail's headers need, apart from the report."""

    sender: Mailbox
    """The service's, which the mail's List-Id has."""
    recipients: Recipients
    message_id: str
    """With its angle brackets."""
    date: datetime
    """Aware."""
    thread: Thread | None = None
    """The mails that it belongs to; None: it stands alone."""
    has_stable_subject: bool = False
    """Whether all mails of a thread have one subject, unless a Pipeline names another."""
    author: Mailbox | None = None
    """From; None: the sender."""


def compose(
    shown: Report | Digest,
    addressing: Addressing,
    renderer: Renderer,
    on_fault: Callable[[RenderError], object] | None = None,
) -> bytes:
    """Return one mail in the form of SMTP: CRLF, 7 bit, lines short enough.

    Args:
        shown: a report, or a digest. A digest of several jobs has no List-Id.
        addressing: its sender, recipients and identity.
        renderer: makes the bodies.
        on_fault: gets what is wrong, if the built-in template had to replace an administrator's.

    Raises:
        RenderError: not even the built-in template could be rendered, or the bytes would hold a
            header that was not meant.
    """
    thread, sender = addressing.thread, addressing.sender
    if thread and addressing.has_stable_subject and isinstance(shown, Report):
        shown = with_stable_subject(shown, thread)
    files = shown.attachments if isinstance(shown, Report) else []
    shown = shown.without_files() if isinstance(shown, Report) else shown
    body = renderer.render_safely(shown, on_fault)
    job: str | None
    subject = body.subject
    if isinstance(shown, Report):
        subject = f"{PREVIEW}{subject}" if shown.mail.is_preview else subject
        job, results = shown.build.job, [shown.build.result]
    else:
        job, results = shown.job, list(shown.counts)
    headers = {
        "From": _mailboxes([addressing.author or sender]),
        "To": _mailboxes(addressing.recipients.to) or "undisclosed-recipients:;",
        "Cc": _mailboxes(addressing.recipients.cc),
        "Reply-To": _mailboxes(addressing.recipients.reply_to),
        "Subject": _free_text("Subject", shorten(subject, MAX_SUBJECT)),
        "Date": format_datetime(addressing.date),
        "Auto-Submitted": "auto-generated",  # RFC 3834
        "X-Auto-Response-Suppress": "All",  # Exchange's way to say the same
        "X-Jenkins-Job": job and _free_text("X-Jenkins-Job", job),
        "X-Jenkins-Result": results[0] if len(results) == 1 else None,
        "MIME-Version": "1.0",
    }
    # The newer policies would parse each header again, and so decode what was just encoded.
    head, boundary = Message(policy=_WIRE), _boundary(addressing)
    unfolded = {"Message-ID": addressing.message_id}
    if thread and thread.message_id != addressing.message_id:
        unfolded |= {"In-Reply-To": thread.message_id, "References": thread.message_id}
    if job:
        unfolded["List-Id"] = list_id(job, sender.address.rpartition("@")[2])
    outer = _boundary(addressing, "mixed") if files else boundary
    kind = "multipart/mixed" if files else "multipart/alternative"
    head.add_header("Content-Type", kind, boundary=outer)
    for name, value in headers.items():
        if value:
            head[name] = value
    mail = b"".join(
        [
            # Not by the email package: it would fold them, and some programs don't read that.
            "".join(f"{name}: {value}\r\n" for name, value in unfolded.items()).encode(),
            head.as_bytes(policy=_WIRE).partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
            _inner_head(outer, boundary) if files else b"",
            _part(boundary, "plain", body.text),
            _html_part(boundary, addressing, body),
            f"--{boundary}--\r\n".encode(),
            attachment_parts(outer, files),
            f"--{outer}--\r\n".encode() if files else b"",
        ]
    )
    _check(mail, {"Content-Type", *unfolded, *(name for name, value in headers.items() if value)})
    return mail


def with_stable_subject(report: Report, thread: Thread) -> Report:
    """Return a report with the subject of its thread, unless it has one: for Gmail, which splits
    a thread where the subject changes.
    """
    if one_line(report.mail.subject or ""):
        return report
    subject = f"{shorten(job_name(report.build.job), 200)}: broken since #{thread.number}"
    return report.model_copy(update={"mail": report.mail.model_copy(update={"subject": subject})})


def list_id(job: str, domain: str) -> str:
    """Return the List-Id of a job, for filters: `<checkout.shop.jenkins.example.com>`.

    RFC 2919 wants dot-separated atoms of at most 255 characters in all. A name that can't be kept
    as it is gets a part of its hash, so that two jobs never share a list.
    """
    labels = [_NO_LABEL.sub("-", part.lower()).strip("-")[:30] for part in job.split("/")]
    kept = [label for label in reversed(labels) if label][:4]
    if "/".join(reversed(kept)) != job:
        kept.insert(0, hashlib.sha256(job.encode()).hexdigest()[:10])
    return f"<{'.'.join(kept)}.jenkins.{domain[:100].strip('.')}>"


def _free_text(name: str, text: str) -> str:
    """Return printable ASCII as it is; all else, and what looks like an encoded word, encoded."""
    clean = one_line(_CONTROL.sub(" ", text))
    longest = max(map(len, clean.split()), default=0)
    if _PRINTABLE_ASCII.fullmatch(clean) and "=?" not in clean and longest <= MAX_WORD:
        return clean or "?"
    return Header(clean, "utf-8", header_name=name, maxlinelen=76).encode()


def _mailboxes(boxes: Iterable[Mailbox]) -> str:
    return ", ".join(map(_mailbox, boxes))


def _mailbox(box: Mailbox) -> str:
    if not box.name:
        return box.address
    phrase = _free_text("From", shorten(box.name, MAX_NAME))
    if not phrase.startswith("=?") and not _ATOMS.fullmatch(phrase):
        phrase = '"' + phrase.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{phrase} <{box.address}>"


def _part(boundary: str, subtype: str, text: str) -> bytes:
    """Return a part in quoted-printable, which is readable in the source.

    `binascii` encodes it, since the email package writes line by line, which took longer than all
    the rest of a mail.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    encoded = binascii.b2a_qp(lines, istext=True)
    if b" \n" in lines or b"\t\n" in lines or lines.endswith((b" ", b"\t")):
        encoded = _TOO_LONG.sub(rb"\1=\n\2", encoded)
    head = (
        f'--{boundary}\r\nContent-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return head.encode() + encoded.replace(b"\n", b"\r\n") + b"\r\n"


def _html_part(boundary: str, addressing: Addressing, body: Body) -> bytes:
    """Return the part with the HTML, and with the images that it shows (RFC 2387)."""
    if not body.images:
        return _part(boundary, "html", body.html)
    inner = _boundary(addressing, "related")
    kind = f'multipart/related; type="text/html";\r\n boundary="{inner}"'
    return b"".join(
        [
            f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode(),
            _part(inner, "html", body.html),
            image_parts(inner, body.images),
            f"--{inner}--\r\n".encode(),
        ]
    )


def _inner_head(outer: str, inner: str) -> bytes:
    """Return the head of the body's part in a mail with attachments."""
    kind = f'multipart/alternative;\r\n boundary="{inner}"'
    return f"--{outer}\r\nContent-Type: {kind}\r\n\r\n".encode()


def _boundary(addressing: Addressing, use: str = "") -> str:
    """Return a boundary with `=_`, which quoted-printable (RFC 2045, 6.7) and base64 never have."""
    return "=_" + hashlib.sha256(f"{use}{addressing.message_id}".encode()).hexdigest()[:32]


def _check(mail: bytes, expected: set[str]) -> None:
    """Check that the headers are the expected ones, as Postfix will read them.

    Raises:
        RenderError: there is another one, or a line that no header may have.
    """
    head, separator, _ = mail.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    names = [line.partition(b":")[0].decode("latin-1") for line in lines if line[:1] not in b" \t"]
    broken = any(
        not line.strip() or len(line) > MAX_HEADER_LINE or b"\r" in line or b"\n" in line
        for line in lines
    )
    if not separator or broken or b"\0" in mail or sorted(names) != sorted(expected):
        raise RenderError(f"The mail's headers are not the expected ones: {names}.")
