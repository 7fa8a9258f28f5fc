"""Whether the HTML says what it is: language, title, character set and headings."""

from collections.abc import Iterator

from pyservice.mail_checks.finding import Finding, Level
from pyservice.mail_checks.parsed import ParsedMail


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check the document as a whole."""
    if mail.html is None:
        yield Finding(
            "error", "The mail has no HTML.", "Give the template a `body.html`.", part="mail"
        )
        return
    if mail.doctype is None:
        yield Finding(
            "warning",
            "The HTML has no doctype, so some clients measure boxes in their old ways.",
            "Begin body.html with <!DOCTYPE html>.",
            line=1,
        )
    roots, titles = mail.all("html"), mail.all("title")
    if not any((root.get("lang") or "").strip() for root in roots):
        yield (roots[0].finding if roots else _nowhere)(
            "warning",
            "The HTML does not name its language, so a screen reader may read it in a wrong one.",
            'Write <html lang="en">, or the language of your text.',
        )
    if not any(title.words() for title in titles):
        yield (titles[0].finding if titles else _nowhere)(
            "warning",
            "The HTML has no title, which screen readers and some clients show.",
            "Write <title>{{ subject }}</title> in the head.",
        )
    if not any(meta.get("charset") or meta.get("http-equiv") for meta in mail.all("meta")):
        yield _nowhere(
            "note",
            "The HTML does not name its character set; a mail that is saved may lose its letters.",
            'Write <meta charset="utf-8"> in the head.',
        )
    yield from _check_headings(mail)


def _check_headings(mail: ParsedMail) -> Iterator[Finding]:
    headings = mail.all("h1", "h2", "h3", "h4", "h5", "h6")
    firsts = [heading for heading in headings if heading.tag == "h1"]
    if not firsts:
        yield _nowhere(
            "warning",
            "There is no <h1>, so a screen reader's user can't jump to what the mail says.",
            "Make the build's result the <h1>: <h1>{{ headline.word }}</h1>.",
        )
    for heading in firsts[1:]:
        yield heading.finding(
            "note", "There is more than one <h1>.", "Make the others <h2>.", "<h1"
        )
    level = 1
    for heading in headings:
        if int(heading.tag[1]) > level + 1:
            yield heading.finding(
                "note",
                f"A <{heading.tag}> stands below an <h{level}>: a level is left out.",
                f"Make it an <h{level + 1}>.",
            )
        level = int(heading.tag[1])


def _nowhere(level: Level, what: str, cure: str) -> Finding:
    """Return a finding about what is in no line, at the first one."""
    return Finding(level, what, cure, line=1)
