"""What differs between two texts, as the lines of a unified diff."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

MAX_LINES = 1500
"""Of each text that are compared, from the first that differs to the last: in the worst case the
time grows with the third power of their number."""
CONTEXT = 3
"""Equal lines around a difference."""
_LONG = 400
"""Characters of a line that is broken between two elements, where it is HTML."""

_BETWEEN = re.compile(r"(?<=>)(?=<)")

Kind = Literal["same", "removed", "added", "gap"]


@dataclass(frozen=True)
class Line:
    """A line of a diff. A gap stands for equal lines that are not shown, and has no text."""

    kind: Kind
    text: str = ""
    before: int | None = None
    """The line's number in the first text, from 1; None: it is not in it."""
    after: int | None = None
    """The line's number in the second text."""


@dataclass(frozen=True)
class Difference:
    """The difference of two texts; no lines: they are equal."""

    lines: tuple[Line, ...]
    removed: int
    added: int
    is_cut: bool
    """Whether the texts differ in more lines than are compared."""


def compare(before: str, after: str) -> Difference:
    """Return what has to change for the first text to become the second.

    Long lines are broken between two elements of HTML; else one of 10 KB would differ as a whole.
    """
    first, second = _lines(before), _lines(after)
    start = _equal(zip(first, second, strict=False))
    end = _equal(zip(reversed(first[start:]), reversed(second[start:]), strict=False))
    skipped = max(start - CONTEXT, 0)
    first, second = (
        lines[skipped : len(lines) - max(end - CONTEXT, 0)] for lines in (first, second)
    )
    is_cut = max(len(first), len(second)) > MAX_LINES
    lines = tuple(_differences(first[:MAX_LINES], second[:MAX_LINES], skipped))
    kinds = [line.kind for line in lines]
    return Difference(lines, kinds.count("removed"), kinds.count("added"), is_cut)


def _lines(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        lines += _BETWEEN.split(line) if len(line) > _LONG else [line]
    return lines


def _equal(pairs: Iterable[tuple[str, str]]) -> int:
    """Return how many pairs are equal before the first one that is not."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _differences(first: list[str], second: list[str], skipped: int) -> Iterator[Line]:
    """Yield the lines of a diff; so many equal ones before both texts are left out."""
    matcher = difflib.SequenceMatcher(None, first, second)
    for group in matcher.get_grouped_opcodes(CONTEXT):
        _, start, _, other, _ = group[0]
        if skipped or start or other:
            yield Line("gap")
        for tag, i, j, k, m in group:
            if tag == "equal":
                for offset, text in enumerate(first[i:j]):
                    yield Line("same", text, skipped + i + offset + 1, skipped + k + offset + 1)
                continue
            for number, text in enumerate(first[i:j], skipped + i + 1):
                yield Line("removed", text, before=number)
            for number, text in enumerate(second[k:m], skipped + k + 1):
                yield Line("added", text, after=number)
