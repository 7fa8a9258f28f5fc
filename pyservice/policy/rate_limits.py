"""Decides which reports get a mail of their own: those over a rate wait, and share a digest.

It decides when a report comes, by counts in this service's memory. No report is ever dropped.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyservice.analysis.fingerprint import fingerprint
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter


@dataclass(frozen=True)
class DigestGroup:
    """The group in which a report over a rate waits for a digest."""

    name: str
    """Equal for reports that may share a mail: they have the same owner, recipients and error."""
    next_attempt_at: float
    """Seconds since the epoch: the report is mailed then, alone or with others."""
    limit: str
    """The rate that the report is over, as the setting has it."""


@dataclass(frozen=True)
class Usage:
    """How much of a rate is used now."""

    rate: str
    """As the setting or the tokens file has it."""
    owner: str | None
    """The token whose reports are counted; None: all tokens'."""
    subject: str
    """The job, the recipient or the network address that is counted; empty: there is none."""
    used: int
    most: int


MAX_SUBJECTS = 1000
"""Of the last counters, whose usage is shown."""


class MailRateLimiter:
    """Counts reports that get a mail of their own. Thread-safe."""

    def __init__(self, rates: tuple[str, ...], digest_after: float) -> None:
        """Nothing is counted yet.

        Args:
            rates: `job=10/hour`, `recipient=…`, `all=…`, as the setting has them; none: each report
                gets a mail of its own.
            digest_after: seconds for which a group waits after its first member.
        """
        self._lock = threading.Lock()
        self._counts: RateLimiter | None = None
        self._counted: OrderedDict[tuple[str, str], str | None] = OrderedDict()
        """By scope and key of each counter, whose it is; the last ones that counted."""
        self.use(rates, digest_after)

    def use(self, rates: tuple[str, ...], digest_after: float) -> None:
        """Decide by other rates from now on; a rate that stays keeps its counts.

        Args:
            rates: as in the constructor.
            digest_after: as in the constructor. A group that waits already keeps its time.
        """
        parsed: list[tuple[str, str, RateLimitItem]] = []
        if rates:
            # Only now: the import takes long, and most services have no rates.
            from limits import parse  # noqa: PLC0415
            from limits.storage import MemoryStorage  # noqa: PLC0415
            from limits.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

            self._counts = self._counts or SlidingWindowCounterRateLimiter(MemoryStorage())
            for rate in rates:
                scope, _, limit = rate.partition("=")
                parsed.append((rate, scope, parse(limit)))
        self._rates, self._digest_after = parsed, digest_after

    @property
    def has_rates(self) -> bool:
        """Whether there is a rate that a report may be over."""
        return bool(self._rates)

    def decide(self, report: Report, recipients: Recipients, *, owner: str) -> DigestGroup | None:
        """Count a report, unless it is over a rate. Call this once for each new report.

        A report over a rate isn't counted, since it gets no mail of its own.

        Args:
            report: the report.
            recipients: who gets its mail.
            owner: the name of its token.

        Returns:
            The group in which it waits; None: it is within all rates.
        """
        counters = [
            (rate, item, (scope, key))
            for rate, scope, item in self._rates
            for key in _counter_keys(scope, report, recipients, owner)
        ]
        counts = self._counts
        if not counters or counts is None:
            return None
        with self._lock:
            over = next((rate for rate, item, key in counters if not counts.test(item, *key)), None)
            if over is None:
                for _, item, key in counters:
                    counts.hit(item, *key)
                    self._counted[key] = owner if key[0] == "job" else None
                    self._counted.move_to_end(key)
                while len(self._counted) > MAX_SUBJECTS:
                    self._counted.popitem(last=False)
                return None
        name = group_name(report, recipients, owner=owner)
        return DigestGroup(name, time.time() + self._digest_after, over)

    def usage(self) -> list[Usage]:
        """Return how much of each rate is used, for each job or recipient: the fullest first."""
        counts = self._counts
        if counts is None:
            return []
        with self._lock:
            counted = list(self._counted.items())
        found = [
            Usage(rate, owner, _subject(*key), used, item.amount)
            for rate, scope, item in self._rates
            for key, owner in counted
            if scope == key[0]
            and (used := item.amount - counts.get_window_stats(item, *key).remaining) > 0
        ]
        return sorted(found, key=lambda usage: usage.used / usage.most, reverse=True)


def group_name(report: Report, recipients: Recipients, *, owner: str) -> str:
    """Return the name of a report's group: a SHA-256 in hex.

    A digest must show a build to nobody whom the build's own mail would not have reached. So all
    reports of a group have the same recipients in the same fields.
    """
    addresses = [
        sorted({box.address for box in boxes})
        for boxes in (recipients.to, recipients.cc, recipients.bcc, recipients.reply_to)
    ]
    error = fingerprint(report)
    kind = ["job", report.build.job] if error is None else ["error", error]
    return hashlib.sha256(json.dumps([owner, addresses, kind]).encode()).hexdigest()


def _subject(scope: str, key: str) -> str:
    """Return what a counter of `_counter_keys` is about, as people know it."""
    return str(json.loads(key)[1]) if scope == "job" else key


def _counter_keys(
    scope: str, report: Report, recipients: Recipients, owner: str
) -> tuple[str, ...]:
    """Return the keys of a report's counters in a scope: a recipient each, or a single one."""
    if scope == "job":  # two controllers may have jobs of the same name
        return (json.dumps([owner, report.build.job]),)
    return recipients.addresses if scope == "recipient" else ("",)
