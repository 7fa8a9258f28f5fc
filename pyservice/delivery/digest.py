"""One mail of all reports that wait together: made when the first of them is due."""

from datetime import UTC, datetime
from functools import partial

import structlog

from pyservice.analysis.digest import Digest, Member
from pyservice.config.live import LiveSettings
from pyservice.delivery.template_faults import TemplateFaults
from pyservice.events import Events, ReportChanged, ReportEnded
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import DIGEST, Renderer
from pyservice.outbox.groups import DigestGroups
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.states import State

_log = structlog.get_logger()


class DigestMaker:
    """Makes digests of the groups in one outbox. Thread-safe."""

    def __init__(
        self,
        groups: DigestGroups,
        renderer: Renderer,
        live: LiveSettings,
        events: Events,
        template_faults: TemplateFaults,
    ) -> None:
        self._groups, self._renderer, self._live, self._events = groups, renderer, live, events
        self._template_faults = template_faults

    def make(self, first: QueuedReport) -> QueuedReport:
        """Make and commit one mail of a report and all that wait with it, if any do.

        Args:
            first: the first of its group, as it was claimed.

        Returns:
            The report with the digest's bytes; or without its group, to be a mail of its own.

        Raises:
            LostLeaseError: another service has claimed it meanwhile.
            GroupChangedError: one of the others doesn't wait any more: try again.
        """
        others = self._groups.waiting_members(first)
        if not others:
            return self._groups.leave(first)
        digest = Digest((Member.from_report(first.id, first.report), *others))
        try:
            mail = self._render(digest, first)
        except Exception:
            _log.exception("digest.render_failed", id=first.id)
            return self._groups.leave(first)  # rather a mail for each than none
        first = self._groups.store_digest(first, mail, [member.id for member in others])
        for member in others:
            self._events.announce(ReportEnded(State.DIGESTED))
            self._events.announce(ReportChanged(member.id, first.owner, member.build.job))
        _log.info("digest.made", id=first.id, builds=digest.total)
        return first

    def _render(self, digest: Digest, first: QueuedReport) -> bytes:
        sender = self._live.settings.sender_mailbox
        addressing = Addressing(sender, first.recipients, first.message_id, datetime.now(UTC))
        with self._events.rendering():
            on_fault = partial(self._template_faults.record, first, DIGEST)
            return compose(digest, addressing, self._renderer, on_fault)
