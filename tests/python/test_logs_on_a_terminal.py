"""logs.py: a log gives the terminal that shows it no orders, and stays one line an event."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from pyservice import logs

HOSTILE = "a\x1b[2Jb\x9b2Jc\x1b]0;title\x07d\u202ee\x7ff\x85g\u2066h\ud800i\nfake [info] line"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> str:
    """What stands in the log after an event, a traceback, and a library's event."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("info")
    log = structlog.get_logger()
    log.info(HOSTILE, reason=HOSTILE, errors=[HOSTILE], more={"x": HOSTILE})
    try:
        fail()
    except ValueError:
        log.exception("worker.failed")
    logging.getLogger("uvicorn.error").error("Invalid HTTP request: %s", HOSTILE)
    return stream.getvalue()


def fail() -> None:
    raise ValueError(HOSTILE)


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is JSON; a program reads the values as they were."""
    lines = logged(monkeypatch, is_terminal=False).splitlines()
    assert all(line.isprintable() for line in lines)
    first, second, third = map(json.loads, lines)
    assert first["reason"] == first["errors"][0] == HOSTILE
    assert HOSTILE in second["exception"]
    assert third["event"].endswith(HOSTILE)


def test_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own colours are the only sequences; only a traceback has several lines."""
    shown = logged(monkeypatch, is_terminal=True)
    for sequence in ("\x1b[2J", "\x9b", "\x1b]0", "\x07", "\u202e", "\x7f", "\x85", "\u2066"):
        assert sequence not in shown
    assert "\nfake" not in shown.partition("Traceback")[0]
    assert "ValueError: a\\u001b[2Jb" in shown
