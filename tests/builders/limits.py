"""Limits of a service that a test can wait for."""

from pyservice.delivery.retry import RetryPolicy
from pyservice.delivery.worker import DeliveryLimits
from pyservice.postfix.log_watcher import LogWatcherLimits
from pyservice.web.limits import Limits

QUICK = Limits(
    delivery=DeliveryLimits(retry=RetryPolicy(first_delay=0.05)),
    log_watcher=LogWatcherLimits(pause=0.02),
)
"""Deferred mails are retried at once, and Postfix' log is read all the time."""
