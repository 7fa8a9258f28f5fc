"""The images of a template's folder, which go with its mails: `<img src="cid:logo.png">`.

A mail program shows such an image without loading anything. It shows none that is on a server
before its reader allows it, and Gmail and Outlook show none that stands in the HTML itself.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyservice.errors import RenderError, TemplateFault, os_reason

MAX_IMAGE = 100 * 1024
MAX_IMAGES = 300 * 1024
"""Bytes of one image, and of all images of a mail."""

_SOURCE = re.compile(r"""(?<=src=")cid:([^"]*)""")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
"""How files begin that every mail program shows."""


@dataclass(frozen=True)
class InlineImage:
    """An image that goes with a mail."""

    content_id: str
    """Without angle brackets."""
    name: str
    """The file's; it has neither blanks nor quotes."""
    media_type: str
    content: bytes


def with_images(html: str, folders: Sequence[Path]) -> tuple[str, tuple[InlineImage, ...]]:
    """Return HTML with the Content-IDs of the images that it names, and these images.

    Args:
        html: rendered with a template.
        folders: the template's own, and others that may have what it lacks.

    Raises:
        RenderError: an image is not there, is none, or is too large.
    """
    images: dict[str, InlineImage] = {}
    for name in dict.fromkeys(_SOURCE.findall(html)):
        try:
            images[name] = _read(folders, name)
        except ValueError as error:
            raise _fault(folders[0], name, str(error)) from None
        if sum(len(image.content) for image in images.values()) > MAX_IMAGES:
            reason = f"its images have more than {MAX_IMAGES // 1024} KB in all: save them smaller"
            raise _fault(folders[0], name, reason)
    shown = _SOURCE.sub(lambda found: f"cid:{images[found[1]].content_id}", html)
    return shown, tuple(images.values())


def image_parts(boundary: str, images: Sequence[InlineImage]) -> bytes:
    """Return the MIME parts of images, in the form of SMTP."""
    parts = []
    for image in images:
        head = (
            f'--{boundary}\r\nContent-Type: {image.media_type}; name="{image.name}"\r\n'
            f"Content-Transfer-Encoding: base64\r\nContent-ID: <{image.content_id}>\r\n"
            f'Content-Disposition: inline; filename="{image.name}"\r\n\r\n'
        )
        parts.append(head.encode() + base64.encodebytes(image.content).replace(b"\n", b"\r\n"))
    return b"".join(parts)


def _read(folders: Sequence[Path], name: str) -> InlineImage:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is no image's name: write that of a file in the template's folder, "
            "such as cid:logo.png"
        )
    for folder in folders:
        try:
            with (folder / name).open("rb") as file:
                content = file.read(MAX_IMAGE + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ValueError(f"the image {name} can't be read: {os_reason(error)}") from None
        break
    else:
        raise ValueError(f"the image {name} is not in the template's folder")
    if len(content) > MAX_IMAGE:
        raise ValueError(
            f"the image {name} has more than {MAX_IMAGE // 1024} KB: save it smaller, at twice the "
            "size that it is shown in"
        )
    kind = next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
    if kind is None:
        raise ValueError(f"the image {name} is neither PNG nor JPEG nor GIF: save it as PNG")
    # The same file has the same identity in every mail, and no other file has it.
    identity = f"{hashlib.sha256(content).hexdigest()[:20]}.{name}@notify-email"
    return InlineImage(identity, name, kind, content)


def _fault(folder: Path, name: str, reason: str) -> RenderError:
    file = f"{folder.name}/body.html"
    line = source = None
    try:
        lines = (folder / "body.html").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    for number, text in enumerate(lines, 1):
        if f"cid:{name}" in text:
            line, source = number, text.strip()
            break
    return RenderError.of((TemplateFault(file, reason, line, (source or "")[:300]),))
