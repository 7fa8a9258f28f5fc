"""Recorded builds: the replies of a real Jenkins 2.516.3, one folder a build.

The demo, the preview and the tests use them. Only the controller's address, its home folder and the
Git address were changed to example names; the rest is real input.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from pyservice.jenkins import build_data
from pyservice.report.schema import Report

_FOLDER = files(__package__)


@cache
def names() -> tuple[str, ...]:
    """Return the samples' names, in the order of their recording."""
    return tuple(sorted(entry.name for entry in _FOLDER.iterdir() if entry.name[0].isdigit()))


@cache
def load(name: str) -> Report:
    """Return the recorded build `name` as a report.

    Raises:
        KeyError: there is no such sample.
    """
    if name not in names():
        raise KeyError(name)
    build = _json(name, "build.json")
    return build_data.report(
        build,
        _json(name, "test-report.json"),
        _json(name, "wfapi-describe.json"),
        (_FOLDER / name / "console.txt").read_text(encoding="utf-8"),
    )


def _json(name: str, file: str) -> Any:
    path = _FOLDER / name / file
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
