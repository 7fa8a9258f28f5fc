"""What mail clients support, by caniemail.com, and which features a mail's HTML uses.

The data is the JSON in the npm package `caniemail` (MIT), which the build puts into this package.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from pyservice.mail_checks.parsed import ParsedMail
from pyservice.mail_checks.styles import declarations, rules

MAJOR = ("apple-mail", "gmail", "outlook", "samsung-email", "thunderbird", "yahoo")
"""The families of clients that most readers have."""
OUTLOOK = "outlook/windows"
TAGS = {f"h{n}": "html-h1-h6" for n in range(1, 7)} | dict.fromkeys(
    ("ul", "ol", "li", "dl"), "html-lists"
)
ATTRIBUTES = {"bgcolor": None, "class": None, "href": "html-link-href", "data-css-inline": None}
CELLS = ("td", "th")
_FOLDER = files(__package__)

Support = dict[str, dict[str, str]]
"""For each feature, by caniemail's name of it, what each client supports of it in its last version.
The clients' names are their family and platform; the values begin with y, n, a (partly) or u
(unknown)."""


def is_there() -> bool:
    """Return whether the data is in this installation: a checkout has it after `make setup`."""
    return (_FOLDER / "data" / "caniemail.json").is_file()


@cache
def _data() -> dict[str, Any]:
    text = (_FOLDER / "data" / "caniemail.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def support() -> Support:
    """Return what the major clients support."""
    return {entry["slug"]: dict(_latest(entry["stats"])) for entry in _data()["data"]}


@cache
def _lists() -> dict[str, Any]:
    return tomllib.loads((_FOLDER / "fallbacks.toml").read_text(encoding="utf-8"))


def fallbacks() -> dict[str, str]:
    """Return what readers see instead of each feature that the built-in mails use."""
    return dict(_lists()["fallback"])


def decoration() -> dict[str, str]:
    """Return what readers see instead of features that only decorate."""
    return dict(_lists()["decoration"])


def not_rated() -> frozenset[str]:
    """Return the features that caniemail has no entry for, and every client has."""
    return frozenset(
        f"{kind}-{name}" for kind, names in _lists()["not-rated"].items() for name in names
    )


def client_name(client: str) -> str:
    """Return a client's name for people: `Outlook (Windows)`."""
    family, _, platform = client.partition("/")
    names = _data()["nicenames"]
    return f"{names['family'].get(family, family)} ({names['platform'].get(platform, platform)})"


def _latest(stats: dict[str, dict[str, dict[str, str]]]) -> Iterator[tuple[str, str]]:
    for family in MAJOR:
        for platform, versions in stats.get(family, {}).items():
            yield f"{family}/{platform}", list(versions.values())[-1]


def lacks(feature: str, clients: Support) -> list[str]:
    """Return the clients that don't support a feature, or only a part of it."""
    return [name for name, has in clients.get(feature, {}).items() if not has.startswith("y")]


def css_features(name: str, value: str) -> Iterator[str]:
    """Return the features that a declaration uses, as caniemail's slugs."""
    base = re.sub(r"-(?:top|right|bottom|left)(?=-|$)", "", name)
    if base.startswith("border-") and base not in {"border-collapse", "border-radius"}:
        base = "border"  # its colour, width and style have no entry
    yield f"css-{base}"
    if base == "display" and value in {"none", "flex", "grid"}:
        yield f"css-display-{value}"
    yield from (f"css-unit-{unit}" for unit in set(re.findall(r"\d(em|rem|vw|vh|ch|pt)\b", value)))
    yield from (f"css-{name}" for name in ("rgba", "variables", "unit-calc") if f"{name}(" in value)
    if "var(" in value:
        yield "css-variables"
    if "system-ui" in value or "ui-monospace" in value:
        yield "css-sytem-ui"  # so it is written there
    if "!important" in value:
        yield "css-important"


def sheet_features(css: str) -> Iterator[str]:
    """Return the features that a style sheet uses."""
    if "@media" in css:
        yield "css-at-media"
    if "prefers-color-scheme" in css:
        yield "css-at-media-prefers-color-scheme"
    if re.search(r"\[[a-z-]+\] ", css):
        yield "css-selector-attribute"
    if re.search(r"[\w\]] [.a-z][\w.-]*[ ,{]", css):
        yield "css-selector-descendant"
    for keyword in ("font-face", "import", "keyframes", "supports"):
        if f"@{keyword}" in css:
            yield f"css-at-{keyword}"
    for _, selector, content in rules(css):
        for pseudo in re.findall(r"(?<!:):([a-z-]+)", selector):
            yield f"css-pseudo-class-{pseudo}"
        for one in declarations(content):
            yield from css_features(one.name, one.value)
            if one.is_important:
                yield "css-important"


def element_features(tag: str, attributes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Return the features that an element uses, each with what is written for it."""
    yield TAGS.get(tag, f"html-{tag}"), f"<{tag}"
    for name, value in attributes:
        if name == "style":
            for one in declarations(value):
                for feature in css_features(one.name, one.value):
                    yield feature, f"{one.name}: {one.value}"
        elif (tag, name, value) == ("meta", "name", "color-scheme"):
            yield "html-meta-color-scheme", 'name="color-scheme"'
        elif name not in ATTRIBUTES:
            yield f"html-{name}", f'{name}="{value}"'


def features(mail: ParsedMail) -> Iterator[tuple[str, int, int, str]]:
    """Return each feature that a mail's HTML uses: with its line, its column, and what is written.

    Each comes once for an element.
    """
    if mail.doctype is not None:
        yield "html-doctype", 1, 1, "<!DOCTYPE"
    for element in mail.elements:
        used = dict[str, str]()
        for feature, excerpt in element_features(element.tag, element.attrib.items()):
            used.setdefault(feature, excerpt)
        if element.tag == "style":
            for feature in sheet_features(element.text or ""):
                used.setdefault(feature, feature.partition("-")[2])
        for feature, excerpt in used.items():
            yield feature, element.line, element.column, excerpt
