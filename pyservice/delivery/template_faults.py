"""Says in log, metrics and history that a mail was made with the built-in template instead."""

from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.errors import RenderError
from pyservice.events import Events, TemplateFailed
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.text import shorten

_log = structlog.get_logger()


@dataclass(frozen=True)
class TemplateFaults:
    """Records the failures of an administrator's templates."""

    outbox: Outbox
    events: Events

    def record(self, report: QueuedReport, template: str, error: RenderError) -> None:
        """Record why the template of a report's mail failed. The mail must go out all the same."""
        reason = shorten(str(error), 1000)
        _log.warning("template.failed", id=report.id, template=template, reason=reason)
        self.events.announce(TemplateFailed())
        with suppress(SQLAlchemyError):  # the outbox has logged it
            self.outbox.add_note(report, f"the built-in template was used: {reason}")
