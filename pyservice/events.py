"""What happens to reports and mails, announced by those who do it to those who want to know.

Delivery and the log watcher announce; metrics, the updater of build descriptions and the hub of
open pages subscribe.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

_log = structlog.get_logger()


@dataclass(frozen=True)
class MailRendered:
    """A mail was made of a report or a digest, or could not be made."""

    seconds: float


@dataclass(frozen=True)
class TemplateFailed:
    """A mail was made with the built-in template, since an administrator's has failed."""


@dataclass(frozen=True)
class CompletionEnded:
    """A report was completed by Jenkins' REST, or could not be."""

    outcome: str
    """`complete`; `partial`: something is missing; `failed`: Jenkins added nothing."""


@dataclass(frozen=True)
class AttemptEnded:
    """An attempt to hand a mail to Postfix has ended."""

    outcome: str
    """One of `smtp.OUTCOMES`."""
    seconds: float


@dataclass(frozen=True)
class MailAccepted:
    """Postfix accepted a mail for the first of its recipients."""

    seconds: float
    """Since the report was accepted."""


@dataclass(frozen=True)
class ReceiptRecorded:
    """Postfix' log has something new about a mail for one recipient."""

    state: str
    """`relayed`, `deferred` or `bounced`."""


@dataclass(frozen=True)
class ReportEnded:
    """The service makes no further attempt for a report."""

    state: str


@dataclass(frozen=True)
class ReportChanged:
    """Something new about a report is committed to the outbox."""

    report_id: str
    owner: str
    """The name of the token that sent it."""
    job: str
    """The full name of its build's job."""


Event = (
    MailRendered
    | TemplateFailed
    | CompletionEnded
    | AttemptEnded
    | MailAccepted
    | ReceiptRecorded
    | ReportEnded
    | ReportChanged
)
Listener = Callable[[Event], None]


class Events:
    """Passes each event on to all listeners. They must be thread-safe, and take microseconds."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Let a listener have all events from now on."""
        self._listeners.append(listener)

    @contextmanager
    def rendering(self) -> Iterator[None]:
        """Announce how long the enclosed making of a mail took, also if it failed."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.announce(MailRendered(time.perf_counter() - began))

    def announce(self, event: Event) -> None:
        """Pass an event on. A listener that fails is logged, and the others get the event."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("listener.failed", announced=type(event).__name__)
