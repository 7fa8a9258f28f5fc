"""What Outlook on Windows ignores, since it shows mails with Word."""

import re
from collections.abc import Iterator

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import Element, ParsedMail
from pyservice.mail_checks.styles import declarations, pixels

BOXES = frozenset({"td", "th", "table"})
_INLINE = frozenset({"span", "a", "strong", "em", "b", "i", "code", "small"})


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check what is declared for each element itself."""
    for element in mail.elements:
        own = {one.name: one.value for one in declarations(element.get("style") or "")}
        yield from _check_boxes(element, own)
        yield from _check_values(element, own)
        if element.tag == "img" and not (element.get("width") or "").isdigit():
            yield element.finding(
                "warning",
                "Outlook shows an image without a `width` attribute in the image's own size.",
                'Give the image width="…" and height="…" in pixels, without a unit.',
                "<img",
            )


def _check_boxes(element: Element, own: dict[str, str]) -> Iterator[Finding]:
    """Check what Outlook takes on certain elements only."""
    tag = element.tag
    paddings = [name for name in own if name.startswith("padding") and _is_set(own[name])]
    if paddings and tag not in {"td", "th", "body", "ul", "ol"} and not _is_covered(element):
        yield element.finding(
            "warning",
            f"Outlook ignores padding on <{tag}>; it has it on table cells only.",
            "Put the padding on the <td> around it; for a button, give that <td> "
            "`mso-padding-alt`, too.",
            f"{paddings[0]}: {own[paddings[0]]}",
        )
    for name in ("width", "max-width", "height"):
        if pixels(own.get(name, "")) and tag not in {*BOXES, "img"}:
            yield element.finding(
                "warning",
                f"Outlook ignores `{name}` on <{tag}>; it has it on tables and cells only.",
                f'Make it a table with role="presentation", with `{name}` and the attribute.',
                f"{name}: {own[name]}",
            )
    is_framed = any(name.startswith("border") and "radius" not in name for name in own)
    if is_framed and tag in _INLINE and not own.get("border", "0").startswith(("0", "none")):
        yield element.finding(
            "warning",
            f"Outlook draws no border around <{tag}>.",
            "Put the border on the <td> around it.",
            "border",
        )


def _check_values(element: Element, own: dict[str, str]) -> Iterator[Finding]:
    """Check values that Outlook doesn't know."""
    for name in [name for name in own if name.startswith("margin")]:
        if re.search(r"(^|\s)-\d|auto", own[name]):
            yield element.finding(
                "warning",
                "Outlook knows no negative margin, and none that is `auto`.",
                'Centre with align="center" on the cell around it, or use padding on cells.',
                f"{name}: {own[name]}",
            )
    for name in ("float", "position"):
        if own.get(name, "none") not in {"none", "static", "inherit"}:
            yield element.finding(
                "warning",
                f"Outlook ignores `{name}`, so things stand below each other.",
                "Put them into cells of a table beside each other.",
                f"{name}: {own[name]}",
            )
    if "url(" in own.get("background-image", "") + own.get("background", "") and (
        not element.get("bgcolor") and "background-color" not in own
    ):
        yield element.finding(
            "warning",
            "Outlook shows no background image, and there is no colour in its place.",
            "Give the cell a bgcolor that its text can be read on.",
            "url(",
        )
    if own.get("display") == "none" and own.get("mso-hide") != "all" and element.words():
        yield element.finding(
            "warning",
            "Outlook shows tables within what `display: none` hides.",
            "Add `mso-hide: all` to it.",
            "display: none",
        )


def _is_set(value: str) -> bool:
    return any(size for size in map(pixels, value.split()))


def _is_covered(element: Element) -> bool:
    """Return whether the cell around a button has Outlook's own name for its padding."""
    return any(
        "mso-padding-alt" in (at.get("style") or "")
        for at in element.ancestors()
        if at.tag in {"td", "th"}
    )
