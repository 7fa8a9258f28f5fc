"""Whether texts stand out from what is behind them, in light and in dark (WCAG 2.2, 1.4.3)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import tinycss2
from tinycss2.color4 import parse_color

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import Element, ParsedMail
from pyservice.mail_checks.styles import Scheme, Screen, Styles, declarations

ENOUGH, ENOUGH_IF_LARGE, UNREADABLE = 4.5, 3.0, 3.0
LARGE, LARGE_IF_BOLD = 24.0, 18.66
"""Pixels."""
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


class Rgb(NamedTuple):
    """A colour, each channel from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    def __str__(self) -> str:
        return "#" + "".join(f"{round(channel * 255):02x}" for channel in self[:3])


class Canvas(NamedTuple):
    """The colours that a browser takes where a mail gives none."""

    back: Rgb
    text: Rgb
    link: Rgb


LIGHT = Canvas(Rgb(1, 1, 1), Rgb(0, 0, 0), Rgb(0, 0, 0.93))
DARK = Canvas(Rgb(0.07, 0.07, 0.07), Rgb(1, 1, 1), Rgb(0.62, 0.62, 1))
"""As Chromium and WebKit, for a mail that declares `color-scheme: light dark`."""


class _Pair(NamedTuple):
    """The colours of a text and of what is behind it, and the contrast that its size needs."""

    front: Rgb
    back: Rgb
    needed: float


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check the colours of every text that is shown; each pair of colours is one finding."""
    if not has_dark_colours(mail):
        yield Finding(
            "note",
            "The mail has no colours for dark mode, so each client makes its own of the light "
            "ones, and may make them hard to read.",
            "Add `@media (prefers-color-scheme: dark)` with `!important` colours to the style "
            'sheet, and `<meta name="color-scheme" content="light dark">` to the head.',
        )
    found: dict[_Pair, list[tuple[Scheme, Element]]] = {}
    for scheme in SCHEMES if has_dark_colours(mail) else SCHEMES[:1]:
        styles = Styles(mail, Screen(scheme))
        canvas = DARK if scheme == "dark" and declares_dark(mail) else LIGHT
        for element in mail.elements:
            if element.own_text() and not styles.is_hidden(element):
                pair = _pair(element, styles, canvas)
                if pair and contrast(pair.front, pair.back) < pair.needed:
                    found.setdefault(pair, []).append((scheme, element))
    for pair, places in found.items():
        yield _finding(pair, places)


def _finding(pair: _Pair, places: list[tuple[Scheme, Element]]) -> Finding:
    schemes = " and ".join(f"in {name} mode" for name in dict.fromkeys(name for name, _ in places))
    first, ratio = places[0][1], contrast(pair.front, pair.back)
    written = dict.fromkeys(element for _, element in places)
    finding = first.finding(
        "error" if ratio < UNREADABLE else "warning",
        f"{pair.front} on {pair.back} has a contrast of {ratio:.1f} {schemes}, and text of this "
        f"size needs {pair.needed:.1f}.",
        f"Make the text {suggestion(*pair)} {schemes}, or change what is behind it.",
        excerpt=f"color: {_written_colour(first) or pair.front}",
    )
    return replace(finding, example=first.own_text()[:40], count=len(written))


def _written_colour(element: Element) -> str | None:
    declared = (
        one.value
        for at in element.ancestors()
        for one in declarations(at.get("style") or "")
        if one.name == "color"
    )
    return next(declared, None)


def _pair(element: Element, styles: Styles, canvas: Canvas) -> _Pair | None:
    """Return a text's colours; None: an image is behind it, or only a client can tell."""
    back = background(element, styles, canvas)
    front = foreground(element, styles, canvas)
    if back is None or front is None:
        return None
    is_bold = styles.value(element, "font-weight") in {"bold", "bolder", "600", "700", "800", "900"}
    is_large = styles.font_size(element) >= (LARGE_IF_BOLD if is_bold else LARGE)
    return _Pair(over(front, back), back, ENOUGH_IF_LARGE if is_large else ENOUGH)


def has_dark_colours(mail: ParsedMail) -> bool:
    """Return whether a mail says how it looks in dark mode."""
    sheets = "".join(sheet.text or "" for sheet in mail.all("style"))
    return "prefers-color-scheme" in sheets or declares_dark(mail)


def declares_dark(mail: ParsedMail) -> bool:
    """Return whether a browser takes its own dark colours where the mail gives none."""
    return any(
        meta.get("name") in {"color-scheme", "supported-color-schemes"}
        and "dark" in (meta.get("content") or "")
        for meta in mail.all("meta")
    )


def foreground(element: Element, styles: Styles, canvas: Canvas) -> Rgb | None:
    """Return the colour of an element's text; None: it can't be known."""
    for at in element.ancestors():
        value = styles.own(at).get("color") or (at.get("color") if at.tag == "font" else None)
        if value and value not in {"inherit", "unset"}:
            return colour(value)
        if at.tag == "a" and at.get("href"):
            return canvas.link
    return canvas.text


def background(element: Element, styles: Styles, canvas: Canvas) -> Rgb | None:
    """Return the colour behind an element, through what is transparent; None: it can't be known."""
    layers: list[Rgb] = []
    for at in element.ancestors():
        own = styles.own(at)
        images = own.get("background-image", "") + own.get("background", "")
        if "url(" in images or "gradient(" in images:
            return None
        value = own.get("background-color") or _in_shorthand(own.get("background", ""))
        value = value or (
            at.get("bgcolor") if at.tag in {"table", "td", "th", "tr", "body"} else ""
        )
        if not value or value == "transparent":
            continue
        layer = colour(value)
        if layer is None:
            return None
        layers.append(layer)
        if layer.alpha >= 1:
            break
    back = canvas.back
    for layer in reversed(layers):
        back = over(layer, back)
    return back


def _in_shorthand(value: str) -> str | None:
    for token in tinycss2.parse_component_value_list(value):
        text = str(tinycss2.serialize([token]))
        if token.type not in {"whitespace", "comment"} and colour(text) is not None:
            return text
    return None


def colour(text: str) -> Rgb | None:
    """Return the colour that CSS or an attribute names; None: it names none by itself."""
    found = parse_color(text.strip())
    if found is None or found == "currentcolor":
        return None
    try:
        found = found.to("srgb")
    except (AttributeError, NotImplementedError):
        return None
    red, green, blue = (min(1.0, max(0.0, channel or 0.0)) for channel in found.coordinates)
    return Rgb(red, green, blue, found.alpha)


def over(front: Rgb, back: Rgb) -> Rgb:
    """Return what a colour looks like over an opaque one."""
    pairs = zip(front[:3], back[:3], strict=True)
    return Rgb(*(front.alpha * one + (1 - front.alpha) * other for one, other in pairs))


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast of two opaque colours, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    channels = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]
    )
    return sum(
        weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), channels, strict=True)
    )


def suggestion(front: Rgb, back: Rgb, needed: float) -> str:
    """Return a colour like the text's that has enough contrast, in words: `#595959 or darker`."""
    black, white = Rgb(0, 0, 0), Rgb(1, 1, 1)
    is_darker = contrast(black, back) >= contrast(white, back)
    target = black if is_darker else white
    for step in range(1, 51):
        mixed = over(Rgb(*target[:3], step / 50), front)
        if contrast(mixed, back) >= needed:
            return f"{mixed} or {'darker' if is_darker else 'lighter'}"
    return "black" if is_darker else "white"
