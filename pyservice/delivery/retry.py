"""Whether and when a mail is tried again that Postfix didn't take: a pure decision."""

import re
from collections.abc import Iterable

FIRST_DELAY = 5.0
"""Seconds; each delay is twice the one before."""
LONGEST_DELAY = 900.0
"""Seconds, where Postfix says why it won't take a mail now: others decide about that."""
LONGEST_WAIT_FOR_POSTFIX = 300.0
"""Seconds, where Postfix itself is away or in trouble: it is this node's, and comes back at once.

No shorter, since each mail that waits tries for itself.
"""
JITTER = 0.2
"""How much sooner or later than that, as a part of it: mails deferred together come back apart."""
GIVE_UP_AFTER = 5 * 24 * 3600.0
"""Seconds; Postfix' own maximal_queue_lifetime."""
MOST_UNCERTAIN = 5
"""Attempts without a reply to the final dot: each may be one more copy of the mail."""

# RFC 5321, 4.2.3: 421 is said by who is about to go. RFC 3463, 3.4: x.3.x is about the mail system
# itself, such as a full disk (452 4.3.1). What doesn't begin with a code is no reply.
_IN_TROUBLE = re.compile(r"(?!\d{3} )|421 |\d{3} 4\.3\.")


def retry_delay(
    replies: Iterable[str], *, attempt: int, age: float, uncertain: int, fraction: float
) -> float | None:
    """Seconds until the next attempt, or None: give up.

    Args:
        replies: Postfix' to each recipient that was deferred, or what kept it from replying.
        attempt: how many attempts there were, at least 1.
        age: seconds since the report was accepted; less than 0 if the clock was set back.
        uncertain: how many of them Postfix may have taken.
        fraction: a random number from 0 to 1.
    """
    if age >= GIVE_UP_AFTER or uncertain >= MOST_UNCERTAIN:
        return None
    in_trouble = all(_IN_TROUBLE.match(reply) for reply in replies)
    longest = LONGEST_WAIT_FOR_POSTFIX if in_trouble else LONGEST_DELAY
    delay = min(FIRST_DELAY * 2.0 ** min(attempt - 1, 20), longest)
    return delay * (1 + JITTER * (2 * fraction - 1))
