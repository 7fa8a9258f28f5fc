"""How the commands print."""

import json
import sys
from contextlib import suppress

from pyservice.configurator.plan import Plan


def facts(values: dict[str, str | None]) -> None:
    """One line each, aligned; what is None is left out."""
    for name, value in values.items():
        if value is not None:
            print(f"{name:<12}{value}", flush=True)


def plan(found: Plan, *, as_json: bool) -> None:
    """A plan, for a person or for a program."""
    print(json.dumps(found.as_json(), indent=2) if as_json else found.as_text(), flush=True)


def say(sentence: str) -> None:
    """What goes on now. A terminal that is gone must not keep us from undoing."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
