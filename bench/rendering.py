"""How long it takes to make a mail of a report, in this process."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from statistics import median

from bench.figures import Figure
from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.policy.recipients import Recipients

TIMES = 200


def figures() -> dict[str, Figure]:
    """Measure rendering and MIME together, against the standard library's MIME alone."""
    report, renderer = samples.load("2-failure"), Renderer()
    addressing = Addressing(
        Mailbox("Jenkins", "jenkins@ci.example.com"),
        Recipients(to=(Mailbox("", "ada@example.com"),)),
        "<bench@ci.example.com>",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    body = renderer.render(report)

    def standard_library() -> bytes:
        message = EmailMessage(policy=SMTP)
        message["Subject"] = body.subject
        message.set_content(body.text)
        message.add_alternative(body.html, subtype="html")
        return message.as_bytes()

    ours = _milliseconds(lambda: compose(report, addressing, renderer))
    return {"render_mail": Figure(ours, _milliseconds(standard_library), "ms")}


def _milliseconds(make: Callable[[], bytes]) -> float:
    """Return the median of TIMES calls, after one that fills the caches."""
    make()
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        make()
        taken.append(1000 * (time.perf_counter() - began))
    return median(taken)
