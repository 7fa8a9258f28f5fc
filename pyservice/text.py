"""Texts for people: cleaned, shortened, and times in words."""

import re
from datetime import UTC, datetime

# All of C0 and C1 except tab and line feed; bidi controls, which reorder a text; and halves of
# surrogate pairs. An ANSI colour is one match.
UNPRINTABLE = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def one_line(text: str) -> str:
    """Return a text on one line, without unprintable characters and bidi controls."""
    return " ".join(UNPRINTABLE.sub("", text).split())


def duration(milliseconds: int) -> str:
    """Return milliseconds in words: `48 ms`, `2.4 s`, `3 min 20 s`, `1 h 5 min`, `2 d 3 h`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    seconds = milliseconds // 1000
    for unit, size, smaller, fraction in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // fraction} {smaller}"
    return f"{seconds // 60} min {seconds % 60} s"


def moment(milliseconds: int) -> str:
    """Return milliseconds since 1970 as a time: `2026-11-23 18:19 UTC`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def shorten(text: str, length: int) -> str:
    """Return at most `length` characters, the last one an ellipsis if the text is longer."""
    return text if len(text) <= length else text[: length - 1] + "…"
