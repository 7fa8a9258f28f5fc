"""The lines of a log around its error, as a mail shows them.

What says nothing goes: the times of the Timestamper plugin, Jenkins' `[Pipeline] …`, progress and
long runs of lines that are alike. Colours stay.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pyservice.analysis.first_error import FirstError
from pyservice.analysis.shape import without_timestamp
from pyservice.terminal import Colour, Span, plain, spans
from pyservice.text import counted

MAX_LINES = 40
"""Lines of an excerpt."""
MAX_WIDTH = 400
"""Characters of a line."""
_HEAD = 5
"""Lines of a long error that are kept before those around its most telling line."""
_MIN_FOLDED = 3
"""Lines that are alike before they are folded into one."""

_PIPELINE = re.compile(r"\[Pipeline\] ")
_VARIABLE = re.compile(r"[0-9A-Fa-f]{6,}|\d+|\s+")
"""Numbers, hashes, and blanks that align them."""
_FRAME = re.compile(r"\s+at \S")
"""Of a stack trace."""
_BAR = re.compile(r"[=#.━█▓▒░─>-]{3,}")
_PROGRESS = re.compile(
    r"(?:\[INFO\] |#\d+ (?:[\d.]+ )?| )*"
    r"(?:(?P<download>Download(?:ing|ed)|Progress|Fetch(?:ing|ed)|Get:\d+|Hit:\d+|Pull(?:ing|ed))|"
    r"(?P<unpack>Unpacking|Extracting|Selecting|Preparing|Setting up|Installing|Copying|Uploading)|"
    r"(?P<git>(?:remote: )?(?:Receiving|Resolving|Counting|Compressing|Enumerating|Updating))|"
    r"(?P<compile>Compiling|Building|Generating))\b"
)


@dataclass(frozen=True)
class Part:
    """A part of a line that looks the same throughout."""

    text: str
    colour: Colour | None = None
    is_bold: bool = False
    is_place: bool = False
    """Whether it names the error's file and line."""


@dataclass(frozen=True)
class Line:
    """One line of an excerpt."""

    number: int
    """Its number in the log; they begin at 0."""
    parts: tuple[Part, ...]
    is_error: bool = False
    """Whether it belongs to the error's block."""
    is_telling: bool = False
    """Whether it is the most telling line of the error."""
    folded: int = 0
    """How many lines are left out here; such a line has no parts."""
    are_alike: bool = False
    """Whether those that are left out are like the line above."""

    @property
    def text(self) -> str:
        """Return the line without its colours."""
        if self.folded:
            return f"… {counted(self.folded, 'line')}{' like it' if self.are_alike else ''}"
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True)
class Excerpt:
    """The lines of a log around its error, at most MAX_LINES."""

    lines: tuple[Line, ...]
    cut_before: int
    """How many lines the log has before these."""
    cut_after: int
    """How many lines it has behind them."""


def excerpt(
    lines: Sequence[str],
    error: FirstError | None,
    *,
    before: int = 8,
    after: int = 6,
    at_most: int = MAX_LINES,
) -> Excerpt:
    """Return the lines of a log around its error; without one its last lines.

    Args:
        lines: the log; its lines may have terminal sequences.
        error: what `find_first_error` returns for the same lines without them.
        before: lines before the error, of those that say something.
        after: lines behind it.
        at_most: lines in all, 10 or more. The error's own are the last that are left out.
    """
    shown = [plain(without_timestamp(line)) for line in lines]
    if error is None:
        kept = list(_told(shown, 0, len(lines)))[-at_most:]
    else:
        block = _block(error, at_most)
        room = at_most - len(block)
        above = list(_told(shown, 0, error.first))
        below = list(_told(shown, error.last + 1, len(lines)))
        behind = below[: min(after, room)]
        above = above[max(0, len(above) - min(before, room - len(behind))) :]
        kept = [*above, *block, *behind]
    # A fold without the line that it is like says nothing, and a blank line at an end neither.
    while kept and (kept[0].are_alike or _is_blank(kept[0], shown, error)):
        kept.pop(0)
    while kept and _is_blank(kept[-1], shown, error):
        kept.pop()
    if not kept:
        return Excerpt((), len(lines), 0)
    made = tuple(_line(lines, one, error) for one in kept)
    last = kept[-1]
    return Excerpt(made, kept[0].number, len(lines) - last.number - max(last.folded, 1))


@dataclass(frozen=True)
class _Kept:
    """A line that is shown, or a number of lines that are left out in its place."""

    number: int
    folded: int = 0
    are_alike: bool = False


def _told(shown: Sequence[str], start: int, stop: int) -> Iterator[_Kept]:
    """Yield the lines that say something; of each run that is alike the first one."""
    number = start
    while number < stop:
        line = shown[number]
        if _PIPELINE.match(line):
            number += 1
            continue
        kind = _kind(line)
        next_one = number + 1
        while next_one < stop and kind and _kind(shown[next_one]) == kind:
            next_one += 1
        if kind == "blank":
            yield _Kept(number)
        elif next_one - number > _MIN_FOLDED:
            yield _Kept(number)
            yield _Kept(number + 1, folded=next_one - number - 1, are_alike=True)
        else:
            yield from map(_Kept, range(number, next_one))
        number = next_one


def _is_blank(kept: _Kept, shown: Sequence[str], error: FirstError | None) -> bool:
    """Return whether a line is blank, and does not belong to the error."""
    is_error = error is not None and error.first <= kept.number <= error.last
    return not is_error and not kept.folded and not shown[kept.number].strip()


def _kind(line: str) -> str:
    """Return what lines that are alike have in common."""
    if not line.strip():
        return "blank"
    line = line[:MAX_WIDTH]
    if progress := _PROGRESS.match(line):
        return f"progress: {progress.lastgroup}"
    if _FRAME.match(line):
        return "frame"
    return _BAR.sub("=", _VARIABLE.sub("0", line))


def _block(error: FirstError, at_most: int) -> list[_Kept]:
    """Return the error's lines; of a long one its beginning, and those around the telling line."""
    first, last = error.first, error.last
    if last - first + 1 <= at_most:
        return [_Kept(number) for number in range(first, last + 1)]
    head = min(_HEAD, at_most // 4)
    room = at_most - head - 2
    start = min(max(error.line - room // 2, first + head), last - room + 1)
    kept = [_Kept(number) for number in range(first, first + head)]
    if start > first + head:
        kept.append(_Kept(first + head, folded=start - first - head))
    kept += [_Kept(number) for number in range(start, start + room)]
    if start + room <= last:
        kept.append(_Kept(start + room, folded=last - start - room + 1))
    return kept


def _line(lines: Sequence[str], kept: _Kept, error: FirstError | None) -> Line:
    number = kept.number
    is_error = error is not None and error.first <= number <= error.last
    if kept.folded:
        return Line(number, (), is_error, folded=kept.folded, are_alike=kept.are_alike)
    parts = _cut(spans(without_timestamp(lines[number])))
    place = _place("".join(part.text for part in parts), error) if is_error else None
    return Line(
        number,
        parts if place is None else tuple(_marked(parts, *place)),
        is_error,
        is_telling=error is not None and number == error.line,
    )


def _cut(line: Sequence[Span]) -> tuple[Part, ...]:
    """Return a line of at most MAX_WIDTH characters."""
    parts: list[Part] = []
    room = MAX_WIDTH
    for span in line:
        if len(span.text) > room:
            parts.append(Part(span.text[: max(room - 1, 0)] + "…", span.colour, span.is_bold))
            break
        parts.append(Part(span.text, span.colour, span.is_bold))
        room -= len(span.text)
    return tuple(parts)


def _place(text: str, error: FirstError | None) -> tuple[int, int] | None:
    """Return where a line names the error's file and its line."""
    if error is None or error.file is None or error.file_line is None:
        return None
    start = text.find(error.file)
    if start < 0:
        return None
    end = start + len(error.file)
    row = str(error.file_line)
    found = text.find(row, end, end + len(row) + len('", line '))
    if found < 0 or text[found + len(row) : found + len(row) + 1].isdecimal():
        return None
    return start, found + len(row)


def _marked(parts: Sequence[Part], start: int, end: int) -> Iterator[Part]:
    """Yield the parts with the characters from start to end marked as the place."""
    at = 0
    for part in parts:
        bounds = sorted({0, len(part.text), *(one - at for one in (start, end))})
        inner = [bound for bound in bounds if 0 <= bound <= len(part.text)]
        for begin, stop in pairwise(inner):
            is_place = start <= at + begin and at + stop <= end
            yield Part(part.text[begin:stop], part.colour, part.is_bold, is_place)
        at += len(part.text)
