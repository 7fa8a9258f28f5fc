"""How much the service's parts do at once, and how long they wait. No setting changes these."""

from dataclasses import dataclass

from pyservice.delivery.worker import DeliveryLimits
from pyservice.description.updater import UpdaterLimits
from pyservice.outbox.queue import OutboxLimits
from pyservice.postfix.log_watcher import LogWatcherLimits


@dataclass(frozen=True)
class Limits:
    """The limits of one service, for tests that can't wait as long as a node does."""

    outbox: OutboxLimits = OutboxLimits()
    delivery: DeliveryLimits = DeliveryLimits()
    log_watcher: LogWatcherLimits = LogWatcherLimits()
    description: UpdaterLimits = UpdaterLimits()
