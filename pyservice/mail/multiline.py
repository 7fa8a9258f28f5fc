"""The line breaks and blanks of a text as HTML. Outlook ignores CSS' `white-space`."""

import re

from markupsafe import Markup, escape, soft_str

TAB = 4
MAX_BLANKS = 40
"""Blanks in a row that are kept: a longer row would only push the text out of sight."""

_MARKED = re.compile(r"[\t\n]|  |^ ")
_BLANKS = re.compile(r" {2,}|^ ", re.MULTILINE)


def multiline(value: object) -> Markup:
    """Return a text, escaped, with `<br>` for line breaks and `&nbsp;` for blanks that HTML drops.

    These are the blanks at a line's start, and all but the last of several in a row. Lines can
    still be wrapped there.
    """
    text = soft_str(value)
    if _MARKED.search(text) is None:
        return escape(text)
    return blanks(text.expandtabs(TAB).strip("\n").rstrip()).replace("\n", Markup("<br>"))


def blanks(value: object) -> Markup:
    """Return a piece of a line, escaped, with `&nbsp;` for blanks that HTML drops."""
    html = _BLANKS.sub(_hard_blanks, str(escape(soft_str(value))))
    return Markup(html)  # noqa: S704 - escaped above


def _hard_blanks(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    if text[end : end + 1] == "\n":
        return ""
    count = min(end - start, MAX_BLANKS)
    is_indent = text[start - 1 : start] in {"", "\n"}
    return "&nbsp;" * count if is_indent else "&nbsp;" * (count - 1) + " "
