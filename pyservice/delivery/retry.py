"""Whether and when a mail is sent again that Postfix didn't accept: a pure decision."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# RFC 5321, 4.2.3: a server that is about to close says 421. RFC 3463, 3.4: x.3.x is about the mail
# system itself, such as a full disk (452 4.3.1). What doesn't begin with a code is no reply.
_POSTFIX_IN_TROUBLE = re.compile(r"(?!\d{3} )|421 |\d{3} 4\.3\.")


@dataclass(frozen=True)
class RetryPolicy:
    """How long a deferred mail waits for its next attempt, and when it is given up."""

    first_delay: float = 5.0
    """Seconds; each delay is twice the one before."""
    longest_delay: float = 900.0
    """Seconds, where Postfix gives a reason to wait, such as greylisting: others decide on that."""
    longest_wait_for_postfix: float = 300.0
    """Seconds, where Postfix itself is away or in trouble: it is on this node, and comes back soon.

    It is no shorter, since each mail that waits tries for itself.
    """
    jitter: float = 0.2
    """How much a delay varies, as a part of it, so that mails deferred together come back apart."""
    give_up_after: float = 5 * 24 * 3600.0
    """Seconds; Postfix' own maximal_queue_lifetime."""
    max_unconfirmed: int = 5
    """Attempts without a reply to the final dot: each may be one more copy of the mail."""

    def delay(
        self,
        replies: Iterable[str],
        *,
        attempts: int,
        age: float,
        unconfirmed: int,
        fraction: float,
    ) -> float | None:
        """Return the seconds until the next attempt, or None to give up.

        Args:
            replies: Postfix' reply about each deferred recipient, or why there is none.
            attempts: how many there were, at least 1.
            age: seconds since the report was accepted; less than 0 if the clock was set back.
            unconfirmed: after how many of the attempts Postfix may have the mail.
            fraction: a random number from 0 to 1.
        """
        if age >= self.give_up_after or unconfirmed >= self.max_unconfirmed:
            return None
        in_trouble = all(_POSTFIX_IN_TROUBLE.match(reply) for reply in replies)
        longest = self.longest_wait_for_postfix if in_trouble else self.longest_delay
        delay = min(self.first_delay * 2.0 ** min(attempts - 1, 20), longest)
        return delay * (1 + self.jitter * (2 * fraction - 1))
