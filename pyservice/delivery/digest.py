"""One mail of all reports that wait together: made when the first of them is due."""

from datetime import UTC, datetime

import structlog

from pyservice.config.live import LiveSettings
from pyservice.description.updater import DescriptionUpdater
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.metrics import Metrics
from pyservice.outbox.groups import DigestGroups
from pyservice.outbox.models import QueuedReport
from pyservice.report.digest import Digest, Member

_log = structlog.get_logger()


def with_others(
    entry: QueuedReport,
    groups: DigestGroups,
    current: LiveSettings,
    renderer: Renderer,
    metrics: Metrics,
    callback: DescriptionUpdater,
) -> QueuedReport:
    """Make one mail of an entry and all that wait with it, if there are any.

    Args:
        entry: the first of its group, as it was taken.
        groups: of the outbox that it was taken from.
        current: the settings, for the sender.
        renderer: makes the bodies.
        metrics: told of the others, which end.
        callback: told of them, too.

    Returns:
        The entry with the digest's bytes; or without a group, to be sent as its own mail.

    Raises:
        LostLeaseError: somebody else has taken it meanwhile.
        GroupChangedError: one of the others doesn't wait any more: try again.
    """
    others = groups.waiting_members(entry)
    if not others:
        return groups.leave(entry)
    digest = Digest((Member.from_report(entry.id, entry.report), *others))
    sender = current.settings.sender_mailbox
    addressing = Addressing(sender, entry.recipients, entry.message_id, datetime.now(UTC))
    try:
        with metrics.rendering():
            mail = compose(digest, addressing, renderer)
    except Exception:
        _log.exception("digest.error", id=entry.id)
        return groups.leave(entry)  # rather a mail each than none
    entry = groups.store_digest(entry, mail, [one.id for one in others])
    for one in others:
        metrics.mail_ended("digested")
        callback.changed(one.id)
    _log.info("digest.made", id=entry.id, builds=digest.total)
    return entry
