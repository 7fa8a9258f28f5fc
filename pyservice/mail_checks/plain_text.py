"""Whether the text of a mail says what its HTML says."""

from collections.abc import Iterator

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.links import web_links
from pyservice.mail_checks.parsed import ParsedMail

MAX_LINE = 998
"""Characters. Some programs break longer lines in the middle of a word (RFC 5322, 2.1.1)."""
_NAMED = 3


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check that there is a text, that it has the HTML's result and links, and its lines."""
    cure = "Give the template a `body.txt`, or leave it out: then the built-in one is used."
    if mail.text is None or not mail.text.strip():
        what = "no text part" if mail.text is None else "an empty text part"
        yield Finding(
            "error",
            f"The mail has {what}: some readers see nothing, and filters like it less.",
            cure,
            part="text" if mail.text is not None else "mail",
        )
        return
    yield from _check_result(mail, mail.text)
    yield from _check_links(mail, mail.text)
    for number, line in enumerate(mail.text.split("\n"), 1):
        if len(line) > MAX_LINE:
            yield Finding(
                "warning",
                f"A line of the text has {len(line)} characters; some programs break lines after "
                f"{MAX_LINE}, in the middle of a word.",
                "Shorten what can be long: {{ line.text | shorten(width) }}.",
                part="text",
                line=number,
                column=MAX_LINE,
                excerpt=line[:40],
            )


def _check_result(mail: ParsedMail, text: str) -> Iterator[Finding]:
    heading = next((one.words() for one in mail.all("h1") if one.words()), "")
    if heading and heading.lower() not in " ".join(text.split()).lower():
        yield Finding(
            "warning",
            f"The text does not say “{heading[:60]}”, which is the HTML's heading.",
            "Begin body.txt with the same: {{ headline.word }}: {{ build.full_display_name }}.",
            part="text",
            line=1,
        )


def _check_links(mail: ParsedMail, text: str) -> Iterator[Finding]:
    links = web_links(mail)
    missing = [url for url in links if url not in text]
    if not missing:
        return
    named = ", ".join(url[:100] for url in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    is_bare = len(missing) == len(links)
    yield Finding(
        "warning" if is_bare else "note",
        f"The text has {'none' if is_bare else f'{len(missing)} fewer'} of the HTML's "
        f"{len(links)} links.",
        f"Add them to body.txt: {named}{more}.",
        part="text",
        line=1,
    )
