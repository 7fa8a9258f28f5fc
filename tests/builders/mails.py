"""Mails as the service makes them, of HTML and text."""

from datetime import UTC, datetime

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.mail.rendering import Body
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report

ADDRESSING = Addressing(
    Mailbox("Jenkins", "jenkins@ci.example.com"),
    Recipients(to=(Mailbox("Reader", "reader@example.com"),)),
    "<1@ci.example.com>",
    datetime(2026, 11, 30, 12, 0, tzinfo=UTC),
)


class _Made(Renderer):
    """Renders every report as the same body."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self._body = body

    def render(self, report: Report) -> Body:
        return self._body

    def _render(self, template: str, shown: object) -> Body:
        return self._body


def mail_of(html: str, text: str = "Failed\n", subject: str = "Failed: shop #1") -> bytes:
    """Return the bytes of a mail with these parts, and with the service's headers."""
    return compose(samples.load("1-success"), ADDRESSING, _Made(Body(subject, html, text)))
