"""Structured logs: a line for each event on standard error, in JSON unless that is a terminal.

Mail addresses are masked, in Postfix' replies, too: more people read a log than a mail.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_ADDRESS = re.compile(r"[^\s<>\"'(),;:=]+@([\w.-]+)")


def mask(text: str) -> str:
    """Return a text with its addresses masked: `bob@example.com` as `…@example.com`."""
    return _ADDRESS.sub(r"…@\1", text)


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
            structlog.dev.ConsoleRenderer()
            if sys.stderr.isatty()
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


def _mask_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask(value)
        elif isinstance(value, list | tuple):
            event[name] = [mask(item) if isinstance(item, str) else item for item in value]
    return event
