"""A mail taken apart once for all checks: headers, text, and HTML as a tree with positions."""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from functools import cached_property
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

from pyservice.mail_checks.finding import Finding, Level

VOID = frozenset(
    {"br", "col", "hr", "img", "input", "link", "meta", "wbr", "area", "base", "embed"}
)
_BLANKS = re.compile(r"[\s\u00a0]+")


class Element(ElementTree.Element):
    """An element of the HTML, with its place in it. cssselect2 reads it as any other."""

    parent: "Element | None" = None
    line: int = 1
    column: int = 1
    """Both from 1."""

    def words(self) -> str:
        """Return the text in it, as it is read, with alternative texts in place of images."""
        return _BLANKS.sub(" ", "".join(_texts(self))).strip()

    def own_text(self) -> str:
        """Return the text that stands in it itself, in no other element."""
        pieces = [self.text or "", *(child.tail or "" for child in self)]
        return _BLANKS.sub(" ", " ".join(pieces)).strip()

    def ancestors(self) -> "Iterator[Element]":
        """Yield the element itself and what it stands in, from the inside."""
        at: Element | None = self
        while at is not None:
            yield at
            at = at.parent

    def finding(
        self, level: Level, what: str, cure: str, excerpt: str = "", example: str = ""
    ) -> Finding:
        """Return a finding at this place."""
        return Finding(
            level,
            what,
            cure,
            line=self.line,
            column=self.column,
            excerpt=excerpt or f"<{self.tag}",
            example=example,
        )


def _texts(root: ElementTree.Element) -> Iterator[str]:
    """Yield the texts in an element, without recursion: elements may be nested by the thousand."""
    waiting: list[ElementTree.Element | str] = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif one.tag not in {"style", "script"}:
            yield one.get("alt") or "" if one.tag == "img" else one.text or ""
            for child in reversed(one):
                waiting += [child.tail or "", child]


class _Builder(HTMLParser):
    """Builds the tree. What is sent went through css_inline, which closes every element."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("#document")
        self.doctype: str | None = None
        self._open = self.root
        self._last: Element | None = None

    def handle_decl(self, decl: str) -> None:
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        line, column = self.getpos()
        element.line, element.column, element.parent = line, column + 1, self._open
        self._open.append(element)
        self._last = element
        if tag not in VOID:
            self._open, self._last = element, None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        for element in self._open.ancestors():
            if element.tag == tag:
                self._open, self._last = element.parent or self.root, element
                return

    def handle_data(self, data: str) -> None:
        if self._last is None:
            self._open.text = (self._open.text or "") + data
        else:
            self._last.tail = (self._last.tail or "") + data


class ParsedMail:
    """A mail's bytes, as checks read them."""

    def __init__(self, mail: bytes) -> None:
        """Read the bytes.

        Args:
            mail: in the form of SMTP, as they are sent.
        """
        self.source = mail
        message = email.message_from_bytes(mail, policy=email.policy.default)
        assert isinstance(message, EmailMessage)  # noqa: S101 - the policy's message class
        self.message = message
        self.html = self._content("html")
        self.text = self._content("plain")
        builder = _Builder()
        builder.feed(self.html or "")
        builder.close()
        self.root, self.doctype = builder.root, builder.doctype

    @cached_property
    def elements(self) -> list[Element]:
        """All elements of the HTML, in their order."""
        return [one for one in self.root.iter() if isinstance(one, Element)][1:]

    def all(self, *tags: str) -> list[Element]:
        """Return the elements with one of these tags, in their order."""
        return [element for element in self.elements if element.tag in tags]

    @cached_property
    def content_ids(self) -> frozenset[str]:
        """The Content-IDs of the mail's parts, without their angle brackets."""
        parts = [str(part["Content-ID"] or "") for part in self.message.walk()]
        return frozenset(part.strip().strip("<>") for part in parts if part)

    def header(self, name: str) -> str | None:
        """Return a header's text, decoded; None: it is not there."""
        value: Any = self.message[name]
        return None if value is None else str(value)

    def _content(self, subtype: str) -> str | None:
        body = self.message.get_body((subtype,))
        if body is None or body.get_content_subtype() != subtype:
            return None
        return str(body.get_content()).replace("\r\n", "\n")
