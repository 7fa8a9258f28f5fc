"""Structured logs: a line for each event on standard error, in JSON unless that is a terminal.

Mail addresses are masked, in Postfix' replies, too: more people read a log than a mail. Control
characters are escaped: a log is read on a terminal, which would obey them.
"""

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

from pyservice.terminal import escaped

# One step finds a word and another its last @, since together they take quadratic time.
_WORD = re.compile(r"[^\s<>\"'(),;:=]+")
_DOMAIN = re.compile(r"(?<=.)@[\w.-]")


def mask(text: str) -> str:
    """Return a text with its addresses masked: `bob@example.com` as `…@example.com`."""
    return _WORD.sub(_mask_word, text) if "@" in text else text


def _mask_word(word: re.Match[str]) -> str:
    last = max((match.start() for match in _DOMAIN.finditer(word[0])), default=None)
    return word[0] if last is None else f"…{word[0][last:]}"


class Throttle:
    """Lets one of many equal log lines through in a time. For one thread only."""

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._times = 0
        self._due_at = float("-inf")

    def times(self) -> int:
        """Count one more, and return how many there were since the last line; 0: log none now."""
        self._times += 1
        now, times = time.monotonic(), self._times
        if now < self._due_at:
            return 0
        self._times, self._due_at = 0, now + self._seconds
        return times


def configure(level: str) -> None:
    """Set up the logs of this process.

    Args:
        level: debug, info, warning or error.
    """
    numeric = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _mask_event,
            *(_FOR_PEOPLE if sys.stderr.isatty() else _FOR_PROGRAMS),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=numeric, force=True)
    # They warn of each request that they can't read. Callers are told, and a log must not fill.
    for library in ("uvicorn", "python_multipart"):
        logging.getLogger(library).setLevel(max(numeric, logging.ERROR))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _mask_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask(value)
        elif isinstance(value, list | tuple):
            event[name] = [mask(item) if isinstance(item, str) else item for item in value]
    return event


def _escape_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):  # of all others `repr` is shown
            event[name] = escaped(value, keep="\n\t" if name in {"exception", "stack"} else "")
    return event


def _escape_line(_logger: object, _method: str, line: str) -> str:
    return escaped(line)


_FOR_PEOPLE = (_escape_event, structlog.dev.ConsoleRenderer())
_FOR_PROGRAMS = (structlog.processors.JSONRenderer(ensure_ascii=False), _escape_line)
