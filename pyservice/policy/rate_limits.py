"""Which reports are too many: over a rate they are gathered, and become one mail.

Decided at acceptance, from this service's own counts; nothing is ever dropped.
"""

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyservice.policy.recipients import Recipients
from pyservice.report.fingerprint import fingerprint
from pyservice.report.schema import Report

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter


@dataclass(frozen=True)
class DigestGroup:
    """Where a report over a rate waits for others of its kind."""

    name: str
    """All of one group may be in one mail: they have the same owner, readers and cause."""
    next_attempt_at: float
    """Seconds since the epoch: it is sent by then, alone or with others."""
    limit: str
    """The rate that it is over, as the setting has it."""


class MailRateLimiter:
    """Counts what is mailed. Thread-safe."""

    def __init__(self, rates: tuple[str, ...], digest_after: float) -> None:
        """Nothing is counted yet.

        Args:
            rates: `job=10/hour`, `recipient=…`, `all=…`, as the setting has them; none: no report
                is ever too many.
            digest_after: seconds that a group waits after its first member.
        """
        self._lock = threading.Lock()
        self._counts: RateLimiter | None = None
        self.use(rates, digest_after)

    def use(self, rates: tuple[str, ...], digest_after: float) -> None:
        """Decide by other rates from now on; what was counted for a rate that stays is kept.

        Args:
            rates: as at first.
            digest_after: as at first; a group that waits already keeps its time.
        """
        found: list[tuple[str, str, RateLimitItem]] = []
        if rates:
            # Late: it takes as long to import as the tables of the outbox, and most don't use it.
            from limits import parse  # noqa: PLC0415
            from limits.storage import MemoryStorage  # noqa: PLC0415
            from limits.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

            self._counts = self._counts or SlidingWindowCounterRateLimiter(MemoryStorage())
            for rate in rates:
                scope, _, limit = rate.partition("=")
                found.append((rate, scope, parse(limit)))
        self._rates, self._after = found, digest_after

    @property
    def has_rates(self) -> bool:
        """Whether there is a rate that a report may be over."""
        return bool(self._rates)

    def decide(self, report: Report, people: Recipients, *, owner: str) -> DigestGroup | None:
        """Count a new report, unless it is too many; call it once for each.

        A report that is gathered uses up no rate, for it is no mail of its own.

        Args:
            report: what is reported.
            people: to whom.
            owner: the token's name.

        Returns:
            None: it is within all rates.
        """
        asked = [
            (rate, item, (scope, key))
            for rate, scope, item in self._rates
            for key in _keys(scope, report, people, owner)
        ]
        counts = self._counts
        if not asked or counts is None:
            return None
        with self._lock:
            over = next((rate for rate, item, key in asked if not counts.test(item, *key)), None)
            if over is None:
                for _, item, key in asked:
                    counts.hit(item, *key)
                return None
        return DigestGroup(group(report, people, owner=owner), time.time() + self._after, over)


def group(report: Report, people: Recipients, *, owner: str) -> str:
    """The name of the group of a report: SHA-256 in hex.

    No mail shows a build to anybody whom its own mail would not have reached, so all readers are
    the same, each in the same place.
    """
    readers = [
        sorted({box.address for box in boxes})
        for boxes in (people.to, people.cc, people.bcc, people.reply_to)
    ]
    cause = fingerprint(report)
    kind = ["job", report.build.job] if cause is None else ["error", cause]
    return hashlib.sha256(json.dumps([owner, readers, kind]).encode()).hexdigest()


def _keys(scope: str, report: Report, people: Recipients, owner: str) -> tuple[str, ...]:
    """Whose counts a report goes by."""
    if scope == "job":  # two controllers may have jobs of one name
        return (json.dumps([owner, report.build.job]),)
    return people.addresses if scope == "recipient" else ("",)
