"""The parts of a mail as people look at them, read from the bytes that are sent."""

import base64
import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from functools import lru_cache
from typing import Literal

from pyservice.mail.rendering import GMAIL_CLIP

Part = Literal["html", "text", "headers", "source", "eml"]
"""`source` and `eml` are the whole mail: to be read, or to be opened by a mail program."""

MEDIA_TYPES: dict[Part, str] = {
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "headers": "text/plain; charset=utf-8",
    "source": "text/plain; charset=utf-8",
    "eml": "message/rfc822",
}


@dataclass(frozen=True)
class MimePart:
    """A part of a mail's MIME tree."""

    media_type: str
    size: int
    """Bytes of its content, decoded; of a multipart those of all its parts."""
    charset: str
    """Empty: it has none."""
    encoding: str
    """The Content-Transfer-Encoding; empty: it has none."""
    disposition: str
    """`inline`, `attachment` or empty."""
    file_name: str
    """Empty: it has none."""
    parts: tuple["MimePart", ...] = ()


@dataclass(frozen=True)
class Size:
    """How large a mail is, against what Gmail shows of it."""

    mail: int
    """Bytes as they are sent."""
    html: int
    """Bytes of HTML."""
    text: int
    """Bytes of text."""
    hidden: str
    """The HTML beyond GMAIL_CLIP; empty: Gmail shows all of it."""

    @property
    def share(self) -> float:
        """The HTML's size as a share of what Gmail shows; above 1 it hides the rest."""
        return self.html / GMAIL_CLIP


def part(mail: bytes, wanted: Part) -> bytes:
    """Return one part of a mail; texts are in UTF-8.

    HTML has the images in it that go with the mail, since a browser shows no `cid:`.
    """
    if wanted in {"source", "eml"}:
        return mail
    if wanted == "headers":
        return mail.partition(b"\r\n\r\n")[0] + b"\r\n"
    if wanted == "html":
        return _with_images(_body(mail, "html"), mail).encode()
    return _body(mail, "plain").encode()


def subject(mail: bytes) -> str:
    """Return the subject, decoded."""
    return header(mail, "Subject")


def header(mail: bytes, name: str) -> str:
    """Return a header, decoded; empty: there is none."""
    head = mail.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return str(_message(head)[name] or "")


def size(mail: bytes) -> Size:
    """Return how large a mail and its bodies are."""
    html, text = _body(mail, "html").encode(), part(mail, "text")
    hidden = html[GMAIL_CLIP:].decode(errors="ignore")
    return Size(len(mail), len(html), len(text), hidden)


def mime_tree(mail: bytes) -> MimePart:
    """Return the mail's MIME tree."""
    return _mime_part(_message(mail))


def _mime_part(message: EmailMessage) -> MimePart:
    parts: tuple[MimePart, ...] = ()
    if message.is_multipart():
        parts = tuple(_mime_part(one) for one in message.iter_parts())  # type: ignore[arg-type]
        length = sum(one.size for one in parts)
    else:
        content = message.get_payload(decode=True)
        length = len(content) if isinstance(content, bytes) else 0
    return MimePart(
        media_type=message.get_content_type(),
        size=length,
        charset=message.get_content_charset("") if not parts else "",
        encoding=str(message["Content-Transfer-Encoding"] or "").lower(),
        disposition=message.get_content_disposition() or "",
        file_name=message.get_filename() or "",
        parts=parts,
    )


@lru_cache(maxsize=4)  # a page shows many parts of one mail, which may have megabytes
def _message(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the policy's message class
    return message


def _with_images(html: str, mail: bytes) -> str:
    """Return HTML with `data:` in place of each `cid:` that the mail has an image for."""
    if 'src="cid:' not in html:
        return html
    for one in _message(mail).walk():
        content_id, content = (
            str(one["Content-ID"] or "").strip("<> "),
            one.get_payload(decode=True),
        )
        if content_id and isinstance(content, bytes) and one.get_content_maintype() == "image":
            data = base64.b64encode(content).decode()
            source = f"data:{one.get_content_type()};base64,{data}"
            html = html.replace(f'src="cid:{content_id}"', f'src="{source}"')
    return html


def _body(mail: bytes, subtype: Literal["html", "plain"]) -> str:
    body = _message(mail).get_body((subtype,))
    return str(body.get_content()) if body is not None else ""
