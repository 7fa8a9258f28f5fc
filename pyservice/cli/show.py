"""Prints for the commands: facts, tables, plans and progress. Nothing else in them prints.

What builds, Jenkins and mail servers wrote is among it, and a terminal would obey it. So all that
is for a person is cleaned here; JSON escapes it.
"""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from json import dumps
from typing import Any

from pyservice.setup.plan import Plan
from pyservice.terminal import plain


def line(text: str = "") -> None:
    """Print a text, which may have several lines."""
    print(_cleaned(text), flush=True)


def facts(values: dict[str, str | None]) -> None:
    """Print a line for each name and value, aligned; a value of None is left out."""
    for name, value in values.items():
        if value is not None:
            line(f"{name:<12}{_on_one_line(value)}")


def entries(name: str, lines: Iterable[str]) -> None:
    """Print several lines as facts, of which the first has the name."""
    for number, entry in enumerate(lines):
        facts({"" if number else name: entry})


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal each line is cut off at its right edge."""
    if not rows:
        return
    lines = [heads, *([_on_one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for cells in lines:
        padded = (cell.ljust(size) for cell, size in zip(cells, widths, strict=True))
        line("  ".join(padded).rstrip()[:width])


def plan(planned: Plan, *, as_json: bool) -> None:
    """Print a plan, for a person or for a program."""
    if as_json:
        json(planned.as_json())
    else:
        line(planned.as_text())


def json(value: Any) -> None:
    """Print a value as JSON, in ASCII."""
    print(dumps(value, indent=2), flush=True)


def document(text: str) -> None:
    """Print a file that another program reads, as it is and in UTF-8."""
    raw([text.encode()])


def raw(chunks: Iterable[bytes]) -> None:
    """Print bytes for another program, as they are."""
    sys.stdout.buffer.writelines(chunks)
    sys.stdout.flush()


def say(sentence: str, *, end: str = "\n") -> None:
    """Print what is going on; a terminal that is gone must not keep us from undoing."""
    with suppress(OSError):
        print(_cleaned(sentence), end=end, file=sys.stderr, flush=True)


def _cleaned(text: str) -> str:
    """Return a text without sequences, and with `?` for what else a terminal would obey."""
    return "".join(char if char in "\n\t" or _is_printable(char) else "?" for char in plain(text))


def _on_one_line(text: str) -> str:
    """Return a text with `?` for its line breaks, too."""
    return _cleaned(text).replace("\n", "?").replace("\t", "?")


def _is_printable(char: str) -> bool:
    return unicodedata.category(char)[0] != "C"
