"""All checks of a mail, in one table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pyservice.mail_checks import (
    active,
    client_support,
    contrast,
    document,
    headers,
    images,
    links,
    outlook,
    plain_text,
    size,
    tables,
    width,
)
from pyservice.mail_checks.finding import Finding, merged
from pyservice.mail_checks.origin import with_origin
from pyservice.mail_checks.parsed import ParsedMail


@dataclass(frozen=True)
class Check:
    """A check with its name, and with what it is about in a few words."""

    name: str
    about: str
    run: Callable[[ParsedMail], Iterable[Finding]]
    is_for_any_size: bool = False
    """Whether it takes no time for each element of the HTML."""


CHECKS = (
    Check("document", "language, title and headings", document.check),
    Check("contrast", "texts stand out in light and dark", contrast.check),
    Check("images", "alternative texts, and images that readers see", images.check),
    Check("width", f"fits a phone of {width.NARROW} pixels", width.check),
    Check("links", "links lead somewhere, and say where", links.check),
    Check("text", "the text part says the same", plain_text.check),
    Check("size", "small enough for Gmail", size.check, is_for_any_size=True),
    Check("tables", "tables of the layout and of data", tables.check),
    Check("clients", "what some client lacks, by caniemail.com", client_support.check),
    Check("outlook", "what Outlook on Windows ignores", outlook.check),
    Check("active", "no scripts, forms or foreign style sheets", active.check),
    Check("headers", "headers for servers and filters", headers.check, is_for_any_size=True),
)
MAX_HTML = 400_000
"""Characters of HTML that are checked as a whole: four times what Gmail shows takes seconds."""


def check(mail: bytes, files: Mapping[str, str] | None = None) -> list[Finding]:
    """Return what all checks find in a mail, the worst first. Nothing is requested of the network.

    Args:
        mail: in the form of SMTP, as it is sent.
        files: the template's own files by their names, such as `release/body.html`: then a finding
            names the line that it comes from, where just one has its excerpt.
    """
    parsed = ParsedMail(mail)
    is_readable = len(parsed.html or "") <= MAX_HTML
    run = [one for one in CHECKS if is_readable or one.is_for_any_size]
    found = [replace(finding, check=one.name) for one in run for finding in one.run(parsed)]
    return [with_origin(finding, files or {}) for finding in merged(found)]
