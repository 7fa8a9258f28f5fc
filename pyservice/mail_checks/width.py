"""Whether a mail fits a phone that is 320 pixels wide, as far as its source alone shows that."""

from collections.abc import Iterator
from xml.etree import ElementTree

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import Element, ParsedMail
from pyservice.mail_checks.styles import Screen, Styles, pixels

NARROW = 320
"""Pixels: the narrowest phones, and WCAG's reflow (1.4.10)."""
_LETTER, _MONO_LETTER = 0.4, 0.6
"""The width of a letter, in sizes of its font: less than the usual 0.5, to be sure."""
_NARROW_BY_VALUE = "break-all", "break-word", "anywhere"


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check fixed widths, lines that can't be wrapped, and words that can't be broken."""
    styles = Styles(mail, Screen(width=NARROW))
    for element in mail.elements:
        yield from _check_size(element, styles)
        if element.tag == "tr":
            yield from _check_row(element, styles)
        text = element.own_text()
        if text and not styles.is_hidden(element):
            yield from _check_text(element, text, styles)


def _check_size(element: Element, styles: Styles) -> Iterator[Finding]:
    own = styles.own(element)
    least = pixels(own.get("min-width", ""))
    if least is not None and least > NARROW:
        yield element.finding(
            "warning",
            f"<{element.tag}> is at least {least:g} pixels wide, so a narrow phone scrolls "
            "sideways.",
            f"Make min-width {NARROW}px or less, or leave it out.",
            f"min-width: {own['min-width']}",
        )
    width, excerpt = _width(element, styles)
    most = pixels(own.get("max-width", "") or "")
    is_bounded = own.get("max-width", "").endswith("%") or (most is not None and most <= NARROW)
    if width is not None and width > NARROW and not is_bounded:
        yield element.finding(
            "warning",
            f"<{element.tag}> is {width:g} pixels wide, also on a phone with {NARROW}.",
            "Write `width: 100%; max-width: …px` in its style, and keep the `width` attribute for "
            "Outlook.",
            excerpt,
        )


def _width(element: Element, styles: Styles) -> tuple[float | None, str]:
    """Return the fixed width of an element in pixels, and how it is written; None: it has none."""
    value = styles.own(element).get("width")
    if value is not None:
        return pixels(value), f"width: {value}"
    attribute = element.get("width") or ""
    has_attribute = element.tag in {"table", "td", "th", "img"} and attribute.isdigit()
    return (float(attribute) if has_attribute else None), f'width="{attribute}"'


def _check_row(row: Element, styles: Styles) -> Iterator[Finding]:
    """Check the images in a row's cells, which no client makes narrower.

    Cells' own widths are wishes: a browser makes cells as narrow as what they hold lets it.
    """
    images = [
        max((_width(image, styles)[0] or 0 for image in _images(cell)), default=0) for cell in row
    ]
    images = [width for width in images if width]
    if len(images) > 1 and sum(images) > NARROW and max(images) <= NARROW:
        yield row.finding(
            "warning",
            f"The images beside each other take {sum(images):g} pixels: more than a phone's "
            f"{NARROW}.",
            "Put them into one cell, where they stand below each other, or make them smaller.",
            "<tr",
        )


def _images(cell: ElementTree.Element) -> Iterator[Element]:
    return (one for one in cell if isinstance(one, Element) and one.tag == "img")


def _check_text(element: Element, text: str, styles: Styles) -> Iterator[Finding]:
    family = styles.value(element, "font-family") or ""
    letter = _MONO_LETTER if "mono" in family.lower() else _LETTER
    size = styles.font_size(element)
    is_kept = styles.value(element, "white-space") == "nowrap"
    if is_kept and len(text) * letter * size > NARROW:
        yield element.finding(
            "warning",
            "A text is not wrapped, and is wider than a phone.",
            "Leave out `white-space: nowrap` for what can be long.",
            "nowrap",
            text[:40],
        )
        return
    if any(
        styles.value(element, name) in _NARROW_BY_VALUE
        for name in ("word-break", "overflow-wrap", "word-wrap")
    ):
        return
    longest = max(_unbreakable(text), key=len, default="")
    if len(longest) * letter * size > NARROW:
        yield element.finding(
            "warning",
            "A word makes the mail wider than a phone.",
            "Add `word-break: break-word` to the style of the cell.",
            longest[:40],
            longest[:40],
        )


def _unbreakable(text: str) -> list[str]:
    """Return the pieces between which a browser can begin a new line."""
    return text.replace("-", "- ").replace("/", "/ ").replace("?", "? ").split()
