"""Hides a mail's hidden recipients (Bcc) from visitors who have only the mail's link.

A build's log has the link, and more people may read that log than the mail's header names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pyservice.addresses import Mailbox
from pyservice.outbox.models import Event, QueuedReport, Receipt

HIDDEN_PEOPLE = "hidden recipients"
"""What such a visitor sees in place of their addresses."""
HIDDEN_TEXT = "This is about hidden recipients (Bcc): log in to see it."
"""What such a visitor sees in place of each text that names one."""


def for_guest(
    entry: QueuedReport, history: Sequence[Event], receipts: Iterable[Receipt]
) -> tuple[QueuedReport, tuple[Event, ...], tuple[Receipt, ...]]:
    """Return a report, its history and its receipts without the addresses of its Bcc."""
    people = entry.recipients
    hidden = {box.address for box in people.bcc}
    hidden -= {box.address for box in (*people.to, *people.cc)}
    left_out = [one for one in people.left_out if one.pointer.startswith("/mail/bcc")]
    secret = [text.lower() for text in (*hidden, *(one.address for one in left_out))]

    def shown(text: str) -> str:
        return HIDDEN_TEXT if any(word in text.lower() for word in secret) else text

    return (
        replace(
            entry,
            recipients=replace(
                people,
                bcc=(Mailbox("", HIDDEN_PEOPLE),) if hidden else (),
                left_out=tuple(one for one in people.left_out if one not in left_out),
            ),
            pending_recipients=tuple(
                dict.fromkeys(
                    HIDDEN_PEOPLE if to in hidden else to for to in entry.pending_recipients
                )
            ),
            error=entry.error and shown(entry.error),
        ),
        tuple(replace(event, note=shown(event.note)) for event in history),
        tuple(one for one in receipts if one.recipient not in hidden),
    )
