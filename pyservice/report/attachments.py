"""The files that go with a report's mail: archived artifacts of the build, and its log."""

import binascii
from typing import Annotated, Self

from pydantic import AfterValidator

from pyservice.report.fields import Count, Name, Part, Text

MAX_FILES = 21
"""Twenty artifacts, and the log."""
MAX_BYTES = 3 * 1024 * 1024
"""Of all files together."""


def _base64(value: str) -> str:
    """Return a text unchanged; refuse one that is no base64 without line ends (RFC 4648)."""
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        raise ValueError("it is no base64 of RFC 4648, on one line and with its padding") from None
    return value


class Attachment(Part):
    """A file that goes with the mail."""

    name: Name
    """An artifact's path, relative to the build's artifacts; or the log's name."""
    content: Annotated[str, AfterValidator(_base64)]
    """In base64. Nobody reads an artifact; of a log, secrets are masked."""
    is_log: bool = False
    """Whether it is the build's log, a text in UTF-8."""

    @property
    def size_bytes(self) -> int:
        """Return the size of the file."""
        return len(self.content) // 4 * 3 - self.content[-2:].count("=")

    @property
    def text(self) -> str:
        """Return the file as a text."""
        return binascii.a2b_base64(self.content).decode(errors="replace")

    def with_text(self, text: str) -> Self:
        """Return the file with another text in it."""
        content = binascii.b2a_base64(text.encode(), newline=False).decode()
        return self.model_copy(update={"content": content})

    def left_out(self, reason: str) -> "NotAttached":
        """Return what the mail says in place of this file."""
        return NotAttached(
            name=self.name, size_bytes=self.size_bytes, is_log=self.is_log, reason=reason
        )


class NotAttached(Part):
    """A file that was wanted, and that the mail links to instead."""

    name: Name
    size_bytes: Count | None = None
    is_log: bool = False
    reason: Text = ""
