"""Structured logs: one line an event on standard error, JSON unless a person is watching.

Addresses are masked wherever they come from, Postfix' replies included: a log is read by more
people than a mail.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_ADDRESS = re.compile(r"[^\s<>\"'(),;:=]+@([\w.-]+)")


def mask(text: str) -> str:
    """`bob@example.com` becomes `…@example.com`."""
    return _ADDRESS.sub(r"…@\1", text)


def configure(level: str) -> None:
    """Set the logs up for this process.

    Args:
        level: debug, info, warning or error.
    """
    numeric = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    watched = sys.stderr.isatty()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _masked,
            structlog.dev.ConsoleRenderer()
            if watched
            else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=numeric, force=True)
    logging.getLogger("uvicorn").setLevel(max(numeric, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _masked(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask(value)
        elif isinstance(value, list | tuple):
            event[name] = [mask(item) if isinstance(item, str) else item for item in value]
    return event
