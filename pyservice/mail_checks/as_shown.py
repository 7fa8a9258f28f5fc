"""A mail's HTML as one client shows it: without what the client lacks, by caniemail.com."""

from collections.abc import Callable
from html import escape
from html.parser import HTMLParser

from pyservice.mail_checks.clients import (
    ATTRIBUTES,
    CELLS,
    OUTLOOK,
    TAGS,
    Support,
    css_features,
    sheet_features,
    support,
)
from pyservice.mail_checks.parsed import VOID
from pyservice.mail_checks.styles import declarations


def as_shown(html: str, client: str = OUTLOOK, clients: Support | None = None) -> str:
    """Return a mail without what a client lacks.

    What a client supports in part goes, too, except where Outlook's part is known.

    Args:
        html: the mail's.
        client: its family and platform, as in `support()`.
        clients: what clients support; None: what caniemail knows.
    """
    known = support() if clients is None else clients

    def has(feature: str, tag: str = "") -> bool:
        level = known.get(feature, {}).get(client, "y")
        if client == OUTLOOK and level.startswith("a"):
            return outlook_has(feature, tag)
        return level.startswith("y")

    # A browser knows Outlook's own name for a cell's padding under the usual one only.
    writer = _Client(has, ("mso-padding-alt", "padding") if client == OUTLOOK else ("", ""))
    writer.feed(html)
    return "".join(writer.out)


def outlook_has(feature: str, tag: str) -> bool:
    """Return whether Word, with which Outlook shows mails, supports this where it stands."""
    if feature == "css-padding":
        return tag in CELLS
    if feature in {"css-width", "css-max-width", "css-border", "css-height"}:
        return tag in {*CELLS, "table"}
    return feature not in {"css-display", "css-at-media", "css-selector-attribute"}


class _Client(HTMLParser):
    """Writes a mail again, without what a client doesn't support."""

    def __init__(self, has: Callable[..., bool], renamed: tuple[str, str]) -> None:
        super().__init__(convert_charrefs=False)
        self._has, self._renamed = has, renamed
        self.out: list[str] = []
        self._is_in_sheet = False

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_in_sheet = tag == "style"
        if not self._keeps_tag(tag):
            return
        kept = []
        for name, value in attrs:
            text = value or ""
            if name == "style":
                pairs = [(one.name, one.value) for one in declarations(text)]
                pairs = [pair for pair in pairs if self._keeps(tag, *pair)]
                pairs = [(name.replace(*self._renamed), value) for name, value in pairs]
                text = "; ".join(f"{name}: {value}" for name, value in pairs)
            elif ATTRIBUTES.get(name, "") == "" and not self._has(f"html-{name}"):
                continue
            kept.append(f' {name}="{escape(text)}"')
        self.out.append(f"<{tag}{''.join(kept)}>")

    def handle_endtag(self, tag: str) -> None:
        self._is_in_sheet = False
        if self._keeps_tag(tag) and tag not in VOID:
            self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._is_in_sheet or self._has_sheet(data):
            self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.out.append(f"&#{name};")

    def _keeps_tag(self, tag: str) -> bool:
        # Without html and body a browser adds them itself.
        return tag in {"html", "head", "body", "style"} or self._has(TAGS.get(tag, f"html-{tag}"))

    def _has_sheet(self, css: str) -> bool:
        return self._has("html-style") and all(map(self._has, set(sheet_features(css))))

    def _keeps(self, tag: str, name: str, value: str) -> bool:
        return all(self._has(feature, tag) for feature in css_features(name, value))
