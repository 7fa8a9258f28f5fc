"""What the studio shows of a preview: its parts, its template's files, and its report as JSON."""

import json
from dataclasses import dataclass
from functools import cached_property

from pyservice.mail.rendering import GMAIL_CLIP
from pyservice.mail_checks.as_shown import as_shown
from pyservice.preview import parts
from pyservice.preview.parts import MimePart, Size
from pyservice.preview.previews import Preview
from pyservice.preview.template_source import SourceFile
from pyservice.report.schema import Report


@dataclass(frozen=True)
class Shown:
    """A preview with all that stands around it on the page."""

    preview: Preview
    files: tuple[SourceFile, ...] = ()
    """What its template is made of."""
    version: str = ""
    """What differs once a file has changed of which the mail may be made."""

    @cached_property
    def html(self) -> str:
        """The mail's HTML."""
        return parts.part(self.preview.mail, "html").decode()

    @cached_property
    def outlook(self) -> str:
        """The HTML as Outlook on Windows has it, without what it ignores."""
        return as_shown(self.html)

    @cached_property
    def hidden_size(self) -> int:
        """Bytes of HTML that Gmail hides."""
        return max(self.size.html - GMAIL_CLIP, 0)

    @cached_property
    def text(self) -> str:
        """The mail's text."""
        return parts.part(self.preview.mail, "text").decode()

    @cached_property
    def headers(self) -> str:
        """The mail's headers, as they are sent."""
        return parts.part(self.preview.mail, "headers").decode()

    @cached_property
    def source(self) -> str:
        """The mail, as it is sent."""
        return self.preview.mail.decode(errors="replace")

    @cached_property
    def tree(self) -> MimePart:
        """The mail's MIME tree."""
        return parts.mime_tree(self.preview.mail)

    @cached_property
    def size(self) -> Size:
        """How large the mail is."""
        return parts.size(self.preview.mail)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The headers that a reader sees, with their names."""
        mail = self.preview.mail
        named = ((name, parts.header(mail, name)) for name in ("From", "To", "Cc", "Reply-To"))
        return [(name, value) for name, value in named if value]

    @cached_property
    def report(self) -> str:
        """The report as JSON for people, as a request would have it; empty: there is none."""
        shown = self.preview.content.shown
        if not isinstance(shown, Report):
            return ""
        value = shown.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return json.dumps(value, indent=2, ensure_ascii=False)

    def faults_of(self, path: str) -> dict[int, str]:
        """Return what is wrong in a file, by line; a fault without a line is at line 0."""
        return {
            fault.line or 0: f"{fault.reason}"
            for fault in self.preview.faults
            if fault.file == path
        }


def line_id(path: str, line: int) -> str:
    """Return the ID of a line of a template's file in the page."""
    name = "".join(character if character.isalnum() else "-" for character in path)
    return f"line-{name}-{line}"
