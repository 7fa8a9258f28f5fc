"""The styles of a mail's elements on a certain screen, as far as they follow from the mail alone.

The cascade of CSS: a style attribute stands over a style sheet's rules, and `!important` over it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import tinycss2
from cssselect2 import ElementWrapper, Matcher, SelectorError, compile_selector_list

from pyservice.mail_checks.parsed import Element, ParsedMail

Scheme = Literal["light", "dark"]
INHERITED = frozenset(
    {"color", "font-size", "font-family", "font-weight", "white-space", "word-break"}
    | {"overflow-wrap", "word-wrap", "visibility"}
)
_FEATURE = re.compile(r"\(\s*([a-z-]+)\s*:\s*([^)]+?)\s*\)")
_PX = re.compile(r"(-?[\d.]+)(px|pt|em|rem)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Screen:
    """What a reader's mail is shown on."""

    scheme: Scheme = "light"
    width: int = 800
    """Pixels."""


@dataclass(frozen=True)
class Declaration:
    """A property with its value."""

    name: str
    value: str
    is_important: bool


@lru_cache(maxsize=4096)
def declarations(css: str) -> tuple[Declaration, ...]:
    """Return what a style attribute, or a rule between its braces, declares."""
    parsed = tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True)
    return tuple(
        Declaration(one.lower_name, tinycss2.serialize(one.value).strip(), one.important)
        for one in parsed
        if one.type == "declaration"
    )


def rules(css: str) -> Iterator[tuple[str, str, str]]:
    """Yield each rule of a style sheet: its media query (empty: none), selector, declarations."""
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            yield "", tinycss2.serialize(rule.prelude), tinycss2.serialize(rule.content)
        elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content:
            query = tinycss2.serialize(rule.prelude).strip()
            for _, selector, content in rules(tinycss2.serialize(rule.content)):
                yield query, selector, content


def applies(query: str, screen: Screen) -> bool:
    """Return whether a media query is true there; one that can't be decided is not."""
    return not query or any(_is_true(one.strip().lower(), screen) for one in query.split(","))


def _is_true(query: str, screen: Screen) -> bool:
    kind = re.match(r"(?:only\s+)?([a-z]+)\b", query)
    if query.startswith("not") or (kind and kind[1] not in {"screen", "all"}):
        return False
    for name, value in _FEATURE.findall(query):
        length = pixels(value)
        if name == "prefers-color-scheme":
            if value != screen.scheme:
                return False
        elif name == "max-width" and length is not None:
            if screen.width > length:
                return False
        elif name == "min-width" and length is not None:
            if screen.width < length:
                return False
        else:
            return False
    return True


class Styles:
    """The styles of a mail's elements on one screen."""

    def __init__(self, mail: ParsedMail, screen: Screen) -> None:
        """Match the style sheets' rules with the elements."""
        self._matcher, self._found = Matcher(), {}
        for sheet in mail.all("style"):
            for query, selector, content in rules(sheet.text or ""):
                if applies(query, screen):
                    self._add(selector, content)
        for wrapper in ElementWrapper.from_html_root(mail.root).iter_subtree():
            self._found[id(wrapper.etree_element)] = self._own(wrapper)

    _found: dict[int, dict[str, str]]

    def own(self, element: Element) -> dict[str, str]:
        """Return what is declared for an element itself."""
        return self._found.get(id(element), {})

    def value(self, element: Element, name: str) -> str | None:
        """Return a property's value, inherited where it is; None: nothing declares it."""
        if name not in INHERITED:
            return self.own(element).get(name)
        for at in element.ancestors():
            value = self.own(at).get(name)
            if value is not None and value not in {"inherit", "unset"}:
                return value
        return None

    def font_size(self, element: Element) -> float:
        """Return the size of an element's text in pixels."""
        scale = 1.0
        for at in element.ancestors():
            value = self.own(at).get("font-size", "")
            size = pixels(value)
            if size is not None and value.endswith("em") and not value.endswith("rem"):
                scale *= size / 16
            elif size is not None:
                return size * scale
            elif value.endswith("%") and value[:-1].replace(".", "").isdigit():
                scale *= float(value[:-1]) / 100
        return 16 * scale

    def is_hidden(self, element: Element) -> bool:
        """Return whether readers don't see the text of an element, by its style or its kind."""
        return (
            any(
                at.tag in {"head", "style", "script", "title"}
                or self.own(at).get("display") == "none"
                for at in element.ancestors()
            )
            or self.value(element, "visibility") == "hidden"
            or self.font_size(element) <= 1
        )

    def _add(self, selector: str, content: str) -> None:
        declared = declarations(content)
        try:
            for compiled in compile_selector_list(selector):
                self._matcher.add_selector(compiled, declared)
        except SelectorError:
            return  # such as Outlook's own; no browser knows it either

    def _own(self, wrapper: Any) -> dict[str, str]:
        values: dict[str, str] = {}
        matches = [match[-1] for match in self._matcher.match(wrapper)]
        inline = declarations(wrapper.etree_element.get("style") or "")
        for is_important in (False, True):
            for declared in (*matches, inline):
                for one in declared:
                    if one.is_important is is_important:
                        values[one.name] = one.value
        return values


def pixels(value: str) -> float | None:
    """Return a CSS length in pixels; `em` and `rem` as if text had 16 pixels. None: it is none."""
    match = _PX.fullmatch(value.strip())
    if match is None:
        return None
    unit = {"pt": 4 / 3, "em": 16.0, "rem": 16.0}.get((match[2] or "").lower(), 1.0)
    try:
        return float(match[1]) * unit
    except ValueError:
        return None
