"""How the commands print."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import suppress

from pyservice.setup.plan import Plan


def facts(values: dict[str, str | None]) -> None:
    """One line each, aligned; what is None is left out."""
    for name, value in values.items():
        if value is not None:
            print(f"{name:<12}{value}", flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; on a terminal a line is cut off at its end."""
    if not rows:
        return
    lines = [heads, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip()[:most], flush=True)


def printable(text: str) -> str:
    """A text of a report's or of another server's: what a terminal would obey becomes a `?`."""
    return "".join("?" if unicodedata.category(one)[0] == "C" else one for one in text)


def plan(found: Plan, *, as_json: bool) -> None:
    """A plan, for a person or for a program."""
    print(json.dumps(found.as_json(), indent=2) if as_json else found.as_text(), flush=True)


def say(sentence: str) -> None:
    """What goes on now. A terminal that is gone must not keep us from undoing."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
