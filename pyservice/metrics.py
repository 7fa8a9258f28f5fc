"""The service's figures for Prometheus, which scrapes them at /metrics.

Counters and histograms are updated by events; what waits is counted in the outbox when Prometheus
scrapes. No label has a job, an address or an ID: there are as many time series as names below.
"""

import time
from collections.abc import Callable, Iterator

import prometheus_client as prometheus
import sqlalchemy as sa
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pyservice.config.live import LiveSettings
from pyservice.events import (
    AttemptEnded,
    CompletionEnded,
    Event,
    MailAccepted,
    MailRendered,
    ReceiptRecorded,
    ReportEnded,
    TemplateFailed,
)
from pyservice.outbox.database import Database
from pyservice.outbox.states import ENDED, RECEIPTS, WAITING, State
from pyservice.outbox.tables import reports
from pyservice.smtp import OUTCOMES

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The media type of `Metrics.exposition`."""

STATUSES = (400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 431, 500, 503)
"""HTTP statuses of refused requests that are counted from 0; others are counted, too."""
ENDS = tuple(state for state in ENDED if state not in (*RECEIPTS, State.CANCELLED))
"""States in which the service itself ends a report, rather than Postfix' log or a person."""
COMPLETIONS = ("complete", "partial", "failed")
"""Outcomes of `CompletionEnded`."""

RENDER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
SMTP_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600)
HANDOVER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400)
"""Seconds: Postfix is on this node, and a mail that it won't take is tried for days."""


class Metrics:
    """The figures of one service. Thread-safe; an event takes microseconds."""

    def __init__(self) -> None:
        # Without these, each counter would have one more series, with the time of its start.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = prometheus.CollectorRegistry()

        def counter(name: str, help_: str, label: str, *values: object) -> prometheus.Counter:
            counter = prometheus.Counter(name, help_, [label], registry=registry)
            for value in values:  # 0 from the start: else the first one is no increase
                counter.labels(value)
            return counter

        def histogram(name: str, help_: str, buckets: tuple[float, ...]) -> prometheus.Histogram:
            return prometheus.Histogram(name, help_, registry=registry, buckets=buckets)

        self._accepted = prometheus.Counter(
            "notify_email_reports_accepted",
            "Reports that were committed; not those that were the same again.",
            registry=registry,
        )
        self._refused = counter(
            "notify_email_requests_refused",
            "Requests that were answered with a problem.",
            *("status", *STATUSES),
        )
        self._attempts = counter(
            "notify_email_attempts",
            "Attempts to hand a mail to Postfix.",
            *("outcome", *OUTCOMES),
        )
        self._mails = counter(
            "notify_email_mails",
            "Reports that have come to an end here: Postfix has the mail, or it is given up.",
            *("state", *ENDS),
        )
        self._template_failures = prometheus.Counter(
            "notify_email_template_failures",
            "Mails made with the built-in template, since an administrator's has failed.",
            registry=registry,
        )
        self._completions = counter(
            "notify_email_completions",
            "Reports that the service completed by Jenkins' REST, or could not.",
            *("outcome", *COMPLETIONS),
        )
        self._receipts = counter(
            "notify_email_receipts",
            "Receipts from Postfix' log, one for each recipient.",
            *("state", *RECEIPTS),
        )
        self._handover = histogram(
            "notify_email_handover_seconds",
            "From a report's acceptance until Postfix has its mail.",
            HANDOVER_BUCKETS,
        )
        self._smtp = histogram(
            "notify_email_smtp_attempt_seconds",
            "How long an attempt to hand a mail to Postfix took.",
            SMTP_BUCKETS,
        )
        self._render = histogram(
            "notify_email_render_seconds",
            "How long it took to make a mail of a report.",
            RENDER_BUCKETS,
        )

    def watch(
        self, database: Database, is_log_readable: Callable[[], bool | None], live: LiveSettings
    ) -> None:
        """Read these when Prometheus scrapes.

        Args:
            database: the outbox's.
            is_log_readable: whether Postfix' log can be read; None: the service reads none.
            live: the settings in force.
        """
        self._registry.register(_OutboxCollector(database, is_log_readable, live))

    def report_accepted(self) -> None:
        """Count a new report that is committed."""
        self._accepted.inc()

    def request_refused(self, status: int) -> None:
        """Count a request that was answered with a problem of this HTTP status."""
        self._refused.labels(status).inc()

    def on_event(self, event: Event) -> None:
        """Count an event, or take its time."""
        match event:
            case MailRendered(seconds):
                self._render.observe(seconds)
            case TemplateFailed():
                self._template_failures.inc()
            case CompletionEnded(outcome):
                self._completions.labels(outcome).inc()
            case AttemptEnded(outcome, seconds):
                self._smtp.observe(seconds)
                self._attempts.labels(outcome).inc()
            case MailAccepted(seconds):
                self._handover.observe(max(seconds, 0))  # the clock may have been set back
            case ReceiptRecorded(state):
                self._receipts.labels(state).inc()
            case ReportEnded(state):
                self._mails.labels(state).inc()

    def exposition(self) -> bytes:
        """Return all figures in the format of CONTENT_TYPE."""
        return prometheus.generate_latest(self._registry)


class _OutboxCollector(Collector):
    """The figures that are read when Prometheus scrapes."""

    def __init__(
        self, database: Database, is_log_readable: Callable[[], bool | None], live: LiveSettings
    ) -> None:
        self._database, self._is_log_readable = database, is_log_readable
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """Return the figures; without an outbox, the others and one that says so."""
        is_readable = GaugeMetricFamily(
            "notify_email_outbox_readable", "Whether the outbox can be read (1) or not (0)."
        )
        try:
            waiting = self._waiting()
        except sa.exc.SQLAlchemyError:  # the outbox logs it
            is_readable.add_metric([], 0)
        else:
            is_readable.add_metric([], 1)
            yield from _waiting_metrics(waiting)
        yield is_readable
        log = GaugeMetricFamily(
            "notify_email_postfix_log_readable",
            "Whether Postfix' log can be read (1) or not (0); nothing where none is to be read.",
        )
        if (can_be_read := self._is_log_readable()) is not None:
            log.add_metric([], can_be_read)
        yield log
        settings = self._live.settings
        diverted = GaugeMetricFamily(
            "notify_email_diverted",
            "Whether mails go to another address (1 for reroute_to) or nowhere (1 for dry_run).",
            labels=["by"],
        )
        diverted.add_metric(["reroute_to"], settings.reroute_to is not None)
        diverted.add_metric(["dry_run"], settings.dry_run)
        yield diverted
        yield GaugeMetricFamily(
            "notify_email_settings_last_reload_successful",
            "Whether the last reload applied the settings (1) or kept the old ones (0).",
            self._live.is_reload_successful,
        )

    def _waiting(self) -> dict[str, tuple[int, float]]:
        """Return for each state how many reports wait, and when the oldest was accepted.

        An index has only the reports that wait, so ended ones cost nothing.
        """
        columns = (reports.c.state, sa.func.count(), sa.func.min(reports.c.created_at))
        query = (
            sa.select(*columns)
            .where(reports.c.next_attempt_at.is_not(None))
            .group_by(reports.c.state)
        )
        with self._database.read_for_caller() as read:
            return {state: (count, since) for state, count, since in read.execute(query)}


def _waiting_metrics(waiting: dict[str, tuple[int, float]]) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        "notify_email_outbox_waiting", "Mails that Postfix hasn't got yet.", labels=["state"]
    )
    now = time.time()
    for state in sorted({*WAITING, *waiting}):
        gauge.add_metric([state], waiting.get(state, (0, now))[0])
    yield gauge
    oldest = min((since for _, since in waiting.values()), default=now)
    yield GaugeMetricFamily(
        "notify_email_outbox_oldest_age_seconds",
        "The age of the oldest report whose mail Postfix hasn't got yet; 0: none waits.",
        max(now - oldest, 0),
    )
