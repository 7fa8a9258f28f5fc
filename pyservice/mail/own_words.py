"""What the author of a Pipeline writes into the mail, as safe HTML and as text.

It is Markdown, or an HTML fragment. Either becomes HTML without anything that could load something,
run something or break the layout: nh3 keeps a few elements, and of attributes only links.
"""

import inspect
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from html.parser import HTMLParser
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from pyservice.text import shorten

MAX_HTML = 12_000
"""Bytes of HTML; of more the words are shown without markup."""
MAX_PLAIN = 2000
"""Characters of such words."""
MAX_BRACKETS = 500
"""Brackets that may begin a link; reading more of them takes long, and no words have so many."""

_TAGS = frozenset(
    (
        *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"),
        *("ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"),
        *("a", "b", "strong", "i", "em", "u", "s", "del", "ins", "kbd", "sub", "sup"),
    )
)
_BLOCKS = frozenset({"p", "br", "hr", "li", "dt", "dd", "tr", "pre", "blockquote", "h3"})
_LINK = re.compile(r"(?i)https?://|mailto:")
_HEADING = re.compile(r"<(/?)h[1-6]>")


@dataclass(frozen=True)
class OwnWords:
    """An author's words in both forms."""

    html: Markup
    text: str


def own_words(body: str | None) -> OwnWords | None:
    """Return an author's words; None: there are none to see.

    Args:
        body: an HTML fragment, if it begins with `<`; else Markdown. The indentation that all its
            lines have is taken off, as Jenkinsfiles have it.
    """
    words = inspect.cleandoc(body or "").strip()
    if not words:
        return None
    if words.startswith("<"):
        html = _cleaned(words)
        text = _as_text(html)
    else:
        is_usual = words.count("[") <= MAX_BRACKETS
        html, text = _cleaned(_markdown().render(words)) if is_usual else "", words
    if not html or len(html.encode()) > MAX_HTML:
        text = shorten(text, MAX_PLAIN)
        html = escape(text, quote=False).replace("\n", "<br>")
    return OwnWords(Markup(html), text) if text.strip() else None  # noqa: S704 - it is cleaned


def _cleaned(html: str) -> str:
    """Return HTML with what is safe only. A mail has two levels of headings, above these."""
    cleaned = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes={"a": {"href"}},
        attribute_filter=_link_only,
        link_rel=None,
        strip_comments=True,
    )
    # nh3 has removed every attribute of a heading, and a `<` in a text is escaped.
    return _HEADING.sub(r"<\1h3>", cleaned).strip()


def _link_only(_: str, __: str, link: str) -> str | None:
    return link if _LINK.match(link) else None


@cache
def _markdown() -> MarkdownIt:
    """Return a reader of CommonMark with tables, which makes a link of an image."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    reader.add_render_rule("image", _image_as_link)
    return reader


def _image_as_link(_: Any, tokens: Any, index: int, *__: Any) -> str:
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    return f'<a href="{escape(source)}">{escape(token.content or source)}</a>'


def _as_text(html: str) -> str:
    """Return cleaned HTML as plain text, with its links' addresses."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    lines = (line.strip() for line in "".join(reader.parts).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _TextReader(HTMLParser):
    """Collects the texts of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line for a block, and a point of a list."""
        if tag in _BLOCKS:
            self.parts.append("\n")
        if tag == "li":
            self.parts.append("- ")
        if tag == "a":
            self._link = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        """End the line of a block, and write where a link leads."""
        if tag in _BLOCKS:
            self.parts.append("\n")
        if tag in {"td", "th"}:
            self.parts.append("  ")
        if tag == "a" and self._link and not "".join(self.parts[-1:]).endswith(self._link):
            self.parts.append(f" ({self._link})")

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.parts.append(data)
