"""Prints for the commands: facts, tables, plans and progress."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import suppress

from pyservice.setup.plan import Plan


def facts(values: dict[str, str | None]) -> None:
    """Print a line for each name and value, aligned; a value of None is left out."""
    for name, value in values.items():
        if value is not None:
            print(f"{name:<12}{value}", flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal each line is cut off at its right edge."""
    if not rows:
        return
    lines = [heads, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        cells = (cell.ljust(size) for cell, size in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip()[:width], flush=True)


def printable(text: str) -> str:
    """Return a foreign text, a report's or a server's, with `?` for what a terminal would obey."""
    return "".join("?" if unicodedata.category(char)[0] == "C" else char for char in text)


def plan(planned: Plan, *, as_json: bool) -> None:
    """Print a plan, for a person or for a program."""
    print(json.dumps(planned.as_json(), indent=2) if as_json else planned.as_text(), flush=True)


def say(sentence: str) -> None:
    """Print what is going on; a terminal that is gone must not keep us from undoing."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
