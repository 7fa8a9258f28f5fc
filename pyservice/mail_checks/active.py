"""What a mail must not have: scripts, forms, and what it would load."""

import re
from collections.abc import Iterator

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import ParsedMail

_ACTIVE = {
    "script": "a script",
    "form": "a form",
    "input": "a form's field",
    "button": "a form's button",
    "select": "a form's field",
    "textarea": "a form's field",
    "iframe": "a frame",
    "object": "an embedded object",
    "embed": "an embedded object",
    "applet": "an applet",
    "base": "a <base>",
}
_MEDIA = {"video", "audio", "svg", "canvas"}
_REMOTE = re.compile(r"@import\b[^;]*|url\(\s*['\"]?(?:https?:)?//[^)]*\)?", re.IGNORECASE)


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check each element, its attributes and its styles."""
    for element in mail.elements:
        tag = element.tag
        if tag in _ACTIVE:
            yield element.finding(
                "error",
                f"The mail has {_ACTIVE[tag]} (<{tag}>): clients remove it, and filters take the "
                "mail for spam.",
                "Leave it out; link to a page instead.",
            )
        if tag in _MEDIA:
            yield element.finding(
                "warning",
                f"Most clients do not show <{tag}>.",
                "Use a PNG image with an alternative text, or a link.",
            )
        if tag == "link" and "stylesheet" in (element.get("rel") or ""):
            yield element.finding(
                "error",
                "The style sheet is loaded from elsewhere: no client does that.",
                'Put it into <style>, or into a file of the template with {% include "…" %}.',
            )
        for name in element.attrib:
            if name.startswith("on"):
                yield element.finding(
                    "error",
                    f"The attribute `{name}` is a script: clients remove it.",
                    "Leave it out.",
                    f"{name}=",
                )
        css = element.get("style") or (element.text or "" if tag == "style" else "")
        if found := _REMOTE.search(css):
            yield element.finding(
                "warning",
                f"The style loads something from elsewhere ({found[0][:60]}), which most clients "
                "do not.",
                "Use fonts that readers have, and images of the template's folder.",
                found[0][:30],
            )
