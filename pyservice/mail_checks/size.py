"""Whether the HTML is small enough for Gmail, and what of it would be cut off."""

from collections.abc import Iterator

from pyservice.mail.rendering import GMAIL_CLIP, HTML_BUDGET
from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import ParsedMail


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check the HTML's bytes."""
    html = mail.html or ""
    size = len(html.encode())
    cure = (
        "Show fewer rows: `{% for … in items[:rows] %}`; the service lowers `rows` until it fits."
    )
    if size > GMAIL_CLIP:
        kept = html.encode()[:GMAIL_CLIP].decode(errors="ignore")
        line = kept.count("\n") + 1
        first = next(
            (
                one.own_text()
                for one in mail.elements
                if (one.line, one.column) >= (line, len(kept.rpartition("\n")[2]))
                and one.own_text()
            ),
            "",
        )
        yield Finding(
            "error",
            f"The HTML has {size // 1024} KB. Gmail cuts it off after {GMAIL_CLIP // 1024} KB"
            + (f", before “{first[:60]}”." if first else "."),
            cure,
            line=line,
            column=len(kept.rpartition("\n")[2]) + 1,
            excerpt=html[len(kept) : len(kept) + 40],
        )
    elif size > HTML_BUDGET:
        yield Finding(
            "warning",
            f"The HTML has {size // 1024} KB. Gmail cuts it off after {GMAIL_CLIP // 1024} KB, and "
            "a longer build's mail will have more.",
            cure,
            line=1,
        )
