"""Foreign texts as a terminal shows them, in characters that can be printed.

What a build prints is meant for a terminal: colours, links, a progress bar that overwrites itself.
In a mail, a log or another terminal these sequences are noise at best, and orders at worst.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar, get_args

Colour = Literal[
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
]
"""The 16 colours of a terminal, in the order of their numbers."""

WIDTH = 200
"""How far a sequence can move the cursor beyond a line's text, in characters."""

# All of C0 and C1 except tab and line feed; bidi controls, which reorder a text; and halves of
# surrogate pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# ECMA-48's sequences. None has the character that begins another, so that the time grows with the
# text only.
_SEQUENCE = re.compile(
    r"""
      \x1b\[8mha:[A-Za-z0-9+/=]*(?:\x1b\[0m)?      # a note in Jenkins' console log, in base64
    | \x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~]?)  # CSI: colours, cursor, erasing
    | \x1b[\]PX^_]                                 # OSC, DCS, SOS, PM, APC: to their end, the
      [^\n\x07\x18\x1a\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?  # next sequence or the end of the line
    | \x1b[ -/]*[0-~]?                             # all others, such as a choice of character set
    | [\r\b]
    """,
    re.VERBOSE,
)
# The 8-bit forms of CSI, and of those to an end: only what is surely a sequence. Most often U+0080
# to U+009F are letters in another encoding, behind another character above U+0080 if it was UTF-8.
_CSI_IN_8_BITS = re.compile(r"(?<![\x80-\xff])\x9b(?=[0-?]+[ -/]*[@-~]|[HJKm])")
_STRING_IN_8_BITS = re.compile(
    r"(?<![\x80-\xff])[\x90\x98\x9d-\x9f](?=[^\n\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c))"
)
_MOVES = re.compile(r"[\r\b]|\x1b\[[0-?]*[CDGJK]")
"""A line has one of these, or shows its characters one after the other."""


def escaped(text: str, *, keep: str = "") -> str:
    """Return a text with each control character, and each that reorders a text, as `\\u001b`.

    Args:
        text: any text; it may be JSON, whose strings stay the same.
        keep: control characters that stay.
    """
    return _CONTROL.sub(lambda found: found[0] if found[0] in keep else _code(found[0]), text)


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}"


def plain(text: str) -> str:
    """Return a text as a terminal shows it, without sequences and unprintable characters.

    Tabs and line feeds stay. Where a line was written over, the last state of it is returned. Each
    line is seen by itself: the cursor does not leave it.
    """
    if _UNPRINTABLE.search(text) is None:
        return text
    return "\n".join(map(_plain_line, text.split("\n")))


def _plain_line(line: str) -> str:
    line = _in_7_bits(line)
    if _MOVES.search(line) is None:
        return _UNPRINTABLE.sub("", _SEQUENCE.sub("", line))
    row: list[str] = []
    column = end = 0
    was_moved = False
    for match in _SEQUENCE.finditer(line):
        column = _write(row, column, _printable(line[end : match.start()]), " ")
        end = match.end()
        before, column = column, _obey(match, row, column, " ")
        was_moved = was_moved or column < before
    _write(row, column, _printable(line[end:]), " ")
    shown = "".join(row)
    return shown.rstrip(" ") if was_moved else shown


@dataclass(frozen=True)
class Span:
    """A part of a line that a terminal shows in one colour."""

    text: str
    colour: Colour | None = None
    """None: the terminal's own."""
    is_bold: bool = False


def spans(line: str) -> tuple[Span, ...]:
    """Return a line as a terminal shows it, with its colours; backgrounds are left out.

    The spans' texts together are what `plain` returns. Of the 256 and of all other colours, each is
    the nearest of the 16.
    """
    if _UNPRINTABLE.search(line) is None:
        return (Span(line),) if line else ()
    line = _in_7_bits(line)
    row: list[_Cell] = []
    pen = blank = _Pen(None, is_bold=False)
    column = end = 0
    was_moved = False
    for match in _SEQUENCE.finditer(line):
        cells = [(character, pen) for character in _printable(line[end : match.start()])]
        column = _write(row, column, cells, (" ", blank))
        end = match.end()
        if match["final"] == "m":
            pen = _after(pen, match["parameters"])
        before, column = column, _obey(match, row, column, (" ", blank))
        was_moved = was_moved or column < before
    _write(row, column, [(one, pen) for one in _printable(line[end:])], (" ", blank))
    while was_moved and row and row[-1][0] == " ":
        row.pop()
    return _joined(row)


@dataclass(frozen=True)
class _Pen:
    """How a terminal writes from some place on."""

    colour: Colour | None
    is_bold: bool


_Cell = tuple[str, _Pen]
_Any = TypeVar("_Any")
_COLOURS: tuple[Colour, ...] = get_args(Colour)
_LEVELS = (0, 95, 135, 175, 215, 255)
"""Of red, green and blue, in the 216 colours of a terminal that has 256."""
_RGB = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205)),
    *((0, 205, 205), (229, 229, 229), (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0)),
    *((92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255)),
)
"""xterm's."""


def _joined(row: Sequence[_Cell]) -> tuple[Span, ...]:
    found: list[Span] = []
    start = 0
    for column in range(1, len(row) + 1):
        if column == len(row) or row[column][1] != row[start][1]:
            text = "".join(character for character, _ in row[start:column])
            found.append(Span(text, row[start][1].colour, row[start][1].is_bold))
            start = column
    return tuple(found)


def _after(pen: _Pen, parameters: str) -> _Pen:
    """Return the pen after a sequence of `Select Graphic Rendition` (ECMA-48, 8.3.117)."""
    groups = parameters.split(";")
    while groups:
        code, *rest = _numbers(groups.pop(0).split(":"))
        if code == 0:
            pen = _Pen(None, is_bold=False)
        elif code in {1, 22}:
            pen = _Pen(pen.colour, is_bold=code == 1)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            pen = _Pen(_COLOURS[code - 30 if code < 90 else code - 82], pen.is_bold)
        elif code == 39:
            pen = _Pen(None, pen.is_bold)
        elif code in {38, 48, 58}:
            if not rest:  # the usual form has semicolons here, too
                count = {"5": 2, "2": 4}.get(groups[0], 0) if groups else 0
                rest, groups = _numbers(groups[:count]), groups[count:]
            if code == 38 and rest:
                # With colons, a colour space may stand before red, green and blue.
                chosen = rest[-3:] if rest[0] == 2 and len(rest) > 3 else rest[1:]
                if len(chosen) == {5: 1, 2: 3}.get(rest[0]):
                    pen = _Pen(_nearest(tuple(chosen)) or pen.colour, pen.is_bold)
    return pen


def _numbers(codes: Sequence[str]) -> list[int]:
    return [int(code[:4]) if code.isdecimal() else 0 for code in codes]


@lru_cache(maxsize=1024)
def _nearest(numbers: tuple[int, ...]) -> Colour | None:
    """Return the nearest of the 16 colours to one of the 256, or to red, green and blue."""
    if max(numbers) > 255:
        return None
    if len(numbers) == 1 and numbers[0] < len(_COLOURS):
        return _COLOURS[numbers[0]]
    if len(numbers) == 1:
        number = numbers[0]
        grey = 8 + 10 * (number - 232)
        cube = [_LEVELS[(number - 16) // step % 6] for step in (36, 6, 1)]
        numbers = (grey,) * 3 if number >= 232 else tuple(cube)
    return min(
        zip(_COLOURS, _RGB, strict=True),
        key=lambda one: sum((a - b) ** 2 for a, b in zip(one[1], numbers, strict=True)),
    )[0]


def _in_7_bits(line: str) -> str:
    return _CSI_IN_8_BITS.sub("\x1b[", _STRING_IN_8_BITS.sub("\x1b_", line))


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("", text)


def _write(row: list[_Any], column: int, cells: Sequence[_Any], blank: _Any) -> int:
    """Write cells over a line, and return the column behind them."""
    if cells:
        row.extend([blank] * (column - len(row)))
        row[column : column + len(cells)] = cells
    return column + len(cells)


def _obey(match: re.Match[str], row: list[_Any], column: int, blank: _Any) -> int:
    """Do to a line what a sequence orders, and return the cursor's new column."""
    if match[0] == "\r":
        return 0
    if match[0] == "\b":
        return max(column - 1, 0)
    order, parameters = match["final"], match["parameters"]
    if order in {"K", "J"}:
        if parameters in {"", "0"}:
            del row[column:]
        elif parameters == "2" or (parameters == "1" and column >= len(row)):
            row.clear()
            return 0  # and not where it was: who erases a line begins it anew
        elif parameters == "1" and column < WIDTH:
            row[: column + 1] = [blank] * (column + 1)
    elif order and order in "CDG" and (number := parameters[:4] or "1").isdecimal():
        steps = max(int(number), 1)
        target = {"C": column + steps, "D": column - steps, "G": steps - 1}[order]
        return min(max(target, 0), max(len(row), WIDTH))
    return column
