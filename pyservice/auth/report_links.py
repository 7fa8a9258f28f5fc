"""IDs of reports that are signed and expire: who has one sees this report without a token."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsdangerous import TimestampSigner

MAX_AGE = timedelta(days=30)
"""How long a signed ID is valid: as long as somebody may look into an old build's log."""


@dataclass(frozen=True)
class ReportRef:
    """What an address says of a report."""

    id: str
    is_signed: bool = False
    """Whether a valid signature shows that the service handed this address out."""


def unsigned(text: str) -> str:
    """Return the ID of a report without its signature, if it has one; nothing is checked."""
    return text.partition(".")[0]


class ReportLinks:
    """Signs and reads the IDs of reports. Thread-safe.

    A signed ID is the ID, the time and a signature, separated by full stops, which no ID has.
    """

    def __init__(self, key: Callable[[], str]) -> None:
        """Sign nothing yet.

        Args:
            key: returns the key that signs; it is called when one is needed.
        """
        self._key = key

    def sign(self, report_id: str) -> str:
        """Return the ID of a report with a signature."""
        return self._signer().sign(report_id).decode()

    def read(self, text: str) -> ReportRef:
        """Return the report of an ID, which may be signed. A signature that has expired is none."""
        from itsdangerous import BadData  # noqa: PLC0415 - as below

        report_id = unsigned(text)
        if report_id == text:
            return ReportRef(text)
        try:
            self._signer().unsign(text, max_age=int(MAX_AGE.total_seconds()))
        except BadData:
            return ReportRef(report_id)
        return ReportRef(report_id, is_signed=True)

    def _signer(self) -> "TimestampSigner":
        # Only now: a service without tokens signs nothing.
        from itsdangerous import TimestampSigner  # noqa: PLC0415

        return TimestampSigner(
            self._key(),
            salt="notify-email report",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
