"""Makes the MIME parts of a mail's attachments.

A file's name is untrusted: what stands in a header is ASCII without line ends, blanks and quotes.
"""

import mimetypes
import re
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from pyservice.report.attachments import Attachment

MAX_STEM, MAX_EXTENSION = 60, 12
"""Characters of a file's name, before its last dot and from there on."""
OTHER = "application/octet-stream"
"""The media type of what a mail program must not show or run by itself."""

_LINE = re.compile(r".{1,76}", re.DOTALL)
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_SHOWN = re.compile(r"(?:image|audio|video|font)/[\w.+-]+|text/(?:plain|csv)|application/[\w.+-]+")
_ACTIVE = re.compile(r"(?:html|xml|script)\b")
# Python's own table, which is the same on every machine.
_TYPES = mimetypes.MimeTypes()


def attachment_parts(boundary: str, files: Sequence[Attachment]) -> bytes:
    """Return the parts of these files, in the form of SMTP."""
    names = file_names([file.name for file in files])
    return b"".join(_part(boundary, file, name) for file, name in zip(files, names, strict=True))


def file_names(paths: Sequence[str]) -> list[str]:
    """Return a name for each file: the last part of its path; of two that are equal, all parts."""
    last = Counter(path.rpartition("/")[2] for path in paths)
    return [
        _name(path if last[path.rpartition("/")[2]] > 1 else path.rpartition("/")[2])
        for path in paths
    ]


def media_type(name: str) -> str:
    """Return the media type of a file by its name; `OTHER` if a mail program might run it."""
    kind, encoding = _TYPES.guess_type(f"./{name}")
    if encoding:
        return "application/gzip" if encoding == "gzip" else OTHER
    if kind is None or not _SHOWN.fullmatch(kind) or _ACTIVE.search(kind):
        return OTHER
    return kind


def _name(path: str) -> str:
    clean = " ".join(_ODD.sub("-", path).split()).strip(" .-")
    clean = clean.encode(errors="replace").decode()  # a half of a surrogate pair is no text
    stem, dot, extension = clean.rpartition(".")
    if not dot or len(extension) >= MAX_EXTENSION:
        stem, dot, extension = clean, "", ""
    return f"{stem[:MAX_STEM]}{dot}{extension}" or "file"


def _part(boundary: str, file: Attachment, name: str) -> bytes:
    kind = 'text/plain; charset="utf-8"' if file.is_log else media_type(name)
    # RFC 2231 for what is no token.
    value = (
        f'filename="{name}"' if _PLAIN.fullmatch(name) else f"filename*=utf-8''{quote(name, '')}"
    )
    head = (
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; {value}\r\n\r\n"
    )
    lines = "".join(f"{line}\r\n" for line in _LINE.findall(file.content))
    return f"{head}{lines}".encode()
