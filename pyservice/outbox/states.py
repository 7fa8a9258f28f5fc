"""The states of a report, and the groups that they form."""

from enum import StrEnum


class State(StrEnum):
    """Where a report's mail is."""

    RECEIVED = "received"
    """The report is committed."""
    QUEUED = "queued"
    """The mail's bytes are committed, and wait for an attempt."""
    SENDING = "sending"
    """An attempt is under way."""
    ACCEPTED = "accepted"
    """Postfix answered 250 for at least one recipient."""
    RELAYED = "relayed"
    """The relay host took the mail, says Postfix' log."""
    DEFERRED = "deferred"
    """The relay host did not take it yet, and Postfix tries again."""
    BOUNCED = "bounced"
    """The relay host refused it for good."""
    FAILED = "failed"
    """Postfix refused it, it could not be made, or the service gave up; kept for a person."""
    CANCELLED = "cancelled"
    """A person stopped it."""
    SKIPPED = "skipped"
    """A dry run made it and did not send it; or its kinds of recipients mean nobody."""
    DIGESTED = "digested"
    """Another report's mail, the digest, shows the build."""


WAITING = (State.RECEIVED, State.QUEUED, State.SENDING)
"""The mail is not with Postfix yet: such a row has a `next_attempt_at`."""
RECEIPTS = (State.RELAYED, State.DEFERRED, State.BOUNCED)
"""The states of a receipt: what Postfix' log says of a mail for one recipient."""
ACCEPTED_BY_POSTFIX = (State.ACCEPTED, *RECEIPTS)
"""Postfix has the mail. The most severe state is the last."""
ENDED = tuple(state for state in State if state not in WAITING)
"""The service makes no further attempt."""
