"""How much the service's parts do at once, and how long they wait. No setting changes these."""

from dataclasses import dataclass

from pyservice.delivery.worker import DeliveryLimits
from pyservice.description.updater import UpdaterLimits
from pyservice.outbox.queue import OutboxLimits
from pyservice.postfix.log_watcher import LogWatcherLimits
from pyservice.preview.previews import PreviewLimits


@dataclass(frozen=True)
class HttpLimits:
    """The HTTP server's limits (docs/limits.md). Times are seconds, sizes are bytes."""

    header_time: float = 10.0
    """For the whole of a request's header, and for the TLS handshake before it."""
    max_header: int = 32 * 1024
    """The size of a request's header."""
    body_time: float = 30.0
    """For the whole of a request's body."""
    max_body: int = 1024 * 1024
    """The size of a request's body, without its attachments."""
    max_attachments: int = 4 * 1024 * 1024
    """The size of a body's attachments, which are in base64, in addition."""
    max_form: int = 64 * 1024
    """The size of a form that a page sends."""
    max_bodies: int = 32 * 1024 * 1024
    """The size of all bodies that arrive or are being worked on at the same time."""
    answer_grace: float = 5.0
    """In addition to `body_time`: the answer that the body was too slow needs it."""
    read_time: float = 30.0
    """Within which the caller reads a further part of its answer."""
    keep_alive: int = 5
    """For which a connection waits for another request."""
    max_connections: int = 800
    """At the same time, from accept on."""
    max_streams: int = 200
    """Of these, those by which open pages hear of changes."""
    readiness_age: float = 2.0
    """For which the result of a readiness check is used again."""
    readiness_memory: float = 60.0
    """For which an accepted or refused report counts in a readiness check."""
    greeting_time: float = 3.0
    """For Postfix to greet in a readiness check."""
    certificate_check: int = 10
    """Between two checks whether the certificate's files have changed."""


@dataclass(frozen=True)
class Limits:
    """The limits of one service. Tests that can't wait as long as a node make their own."""

    http: HttpLimits = HttpLimits()
    outbox: OutboxLimits = OutboxLimits()
    delivery: DeliveryLimits = DeliveryLimits()
    log_watcher: LogWatcherLimits = LogWatcherLimits()
    description: UpdaterLimits = UpdaterLimits()
    preview: PreviewLimits = PreviewLimits()
