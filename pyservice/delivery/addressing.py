"""How the mail of a report in the outbox is addressed, whether it is sent or looked at."""

from pyservice.config.settings import Settings
from pyservice.mail.message import Addressing
from pyservice.outbox.models import QueuedReport
from pyservice.policy.sender import sender_now


def addressing_of(entry: QueuedReport, settings: Settings) -> Addressing:
    """Return the addressing of a report's own mail, with today's settings."""
    return Addressing(
        settings.sender_mailbox,
        entry.recipients,
        entry.message_id,
        entry.date,
        entry.thread,
        has_stable_subject=settings.thread_subject == "stable",
        author=sender_now(entry.report.mail, settings),
    )
