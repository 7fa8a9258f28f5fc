"""Limits of a service that a test can wait for.

On a busy machine everything takes longer, also what a service does within its own limits of time.
So a test makes its limits of these, and shortens only what it wants to see running out.
"""

from dataclasses import replace

from pyservice.delivery.completer import CompleterLimits
from pyservice.delivery.retry import RetryPolicy
from pyservice.delivery.worker import DeliveryLimits
from pyservice.description.updater import UpdaterLimits
from pyservice.jenkins.build_reader import ReaderLimits
from pyservice.mail.composer import ComposerLimits
from pyservice.outbox.queue import OutboxLimits
from pyservice.postfix.log_watcher import LogWatcherLimits
from pyservice.preview.previews import PreviewLimits
from pyservice.smtp import Timeouts
from pyservice.web.limits import HttpLimits, Limits
from tests.builders.patience import PATIENCE

_JENKINS = ReaderLimits(time=PATIENCE, timeouts=(PATIENCE, PATIENCE))

AMPLE = Limits(
    http=HttpLimits(
        header_time=PATIENCE, body_time=PATIENCE, read_time=PATIENCE, greeting_time=PATIENCE
    ),
    outbox=OutboxLimits(lock_timeout=PATIENCE),
    delivery=DeliveryLimits(
        smtp=Timeouts(connect=PATIENCE, reply=PATIENCE),
        composer=ComposerLimits(mail=PATIENCE),
        completer=CompleterLimits(time=PATIENCE, reader=_JENKINS),
    ),
    description=UpdaterLimits(timeouts=(PATIENCE, PATIENCE)),
    preview=PreviewLimits(reader=_JENKINS),
)
"""As in life, but Postfix, Jenkins, callers and the outbox may be as slow as they like."""

QUICK = replace(
    AMPLE,
    delivery=replace(AMPLE.delivery, retry=RetryPolicy(first_delay=0.05)),
    log_watcher=LogWatcherLimits(pause=0.02),
)
"""Deferred mails are retried at once, and Postfix' log is read all the time."""
