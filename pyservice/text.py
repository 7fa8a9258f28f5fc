"""Texts for people: cleaned, shortened, and times in words."""

from datetime import UTC, datetime

from pyservice.terminal import plain


def one_line(text: str) -> str:
    """Return a text on one line, as `terminal.plain` shows it. A CR in it writes over nothing."""
    return " ".join(plain(text.replace("\r", "")).split())


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


def span(milliseconds: int) -> str:
    """Return milliseconds in few words, rounded: `0.4 s`, `45 s`, `20 min`, `2 h 10 min`, `3 d`."""
    seconds = round(milliseconds / 1000)
    if seconds < 10:
        return f"{milliseconds / 1000:.1f} s".replace(".0 s", " s")
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= size:
            return _joined((seconds // size, unit), (seconds % size // part, smaller))
    return _joined((seconds // 60, "min"), (seconds % 60, "s"))


def _joined(*parts: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def age(milliseconds: int) -> str:
    """Return milliseconds in their largest unit, rounded down: `45 s`, `20 min`, `2 h`, `3 d`."""
    seconds = milliseconds // 1000
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(milliseconds: int) -> str:
    """Return milliseconds since 1970 as a time: `2026-11-23 18:19 UTC`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def counted(number: int, noun: str) -> str:
    """Return how many there are: `1 build`, `3 builds`, `0 builds`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, length: int) -> str:
    """Return at most `length` characters, the last one an ellipsis if the text is longer."""
    return text if len(text) <= length else text[: length - 1] + "…"
