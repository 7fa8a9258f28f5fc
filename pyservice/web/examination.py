"""The doctor's examination of this node, in a thread, when a person orders it."""

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, SetupError
from pyservice.urls import web_url

if TYPE_CHECKING:
    from pyservice.setup.doctor.diagnose import Diagnosis
    from pyservice.setup.doctor.smtp_session import Line

NOBODY = "postmaster@example.com"
"""The recipient that Postfix is asked for; it gets no mail."""
MAX_LINES = 200

_log = structlog.get_logger()


@dataclass
class Run:
    """One examination; other threads read it while it goes on."""

    began: float
    by: str
    """Who ordered it."""
    lines: "list[Line]" = field(default_factory=list)
    diagnosis: "Diagnosis | None" = None
    """The result; None: it goes on, or has failed."""
    failure: str = ""
    """Why there is no result."""
    ended: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.ended is None


class Examiner:
    """Examines this node, once at a time, and keeps the last result. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last: Run | None = None
        """The last examination, or the one that goes on; None: there was none."""

    def start(self, settings: Settings, by: str) -> None:
        """Begin an examination, unless one goes on.

        Args:
            settings: the service's.
            by: who orders it.
        """
        with self._lock:
            if self.last is not None and self.last.is_running:
                return
            self.last = run = Run(time.time(), by)
        threading.Thread(target=_examine, args=(run, settings), daemon=True).start()


def _examine(run: Run, settings: Settings) -> None:
    # Only now: they take a tenth of a second to load, for which the service's start would wait.
    from pyservice.setup.doctor import diagnose  # noqa: PLC0415
    from pyservice.setup.doctor.mail_path import Options  # noqa: PLC0415
    from pyservice.setup.doctor.service_path import Service  # noqa: PLC0415
    from pyservice.setup.node.detect import detect_node  # noqa: PLC0415

    def show(line: "Line") -> None:
        if len(run.lines) < MAX_LINES:
            run.lines.append(line)

    try:
        run.diagnosis = diagnose.examine(
            detect_node(),
            Options(settings.sender_mailbox.address, NOBODY, port=settings.smtp_port, timeout=5.0),
            show,
            service=Service(_own_urls(settings), certificate=settings.tls_cert, is_own=True),
        )
    except (ConfigurationError, SetupError) as error:
        run.failure = str(error)
    except Exception as error:
        _log.exception("doctor.failed")
        run.failure = f"The doctor failed: {error!r}. The service's log has more."
    finally:
        run.ended = time.time()


def _own_urls(settings: Settings) -> tuple[str, ...]:
    has_tls = settings.tls_cert is not None
    addresses = settings.listen or ("127.0.0.1",)
    return tuple(web_url(address, settings.port, tls=has_tls) for address in addresses)
