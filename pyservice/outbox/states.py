"""The states of a report."""

WAITING = ("received", "queued", "sending")
"""States of a mail that Postfix hasn't got yet: these rows have a `due`."""
PASSED = ("accepted", "relayed", "deferred", "bounced")
"""States of a mail that Postfix has, the worse the later."""
STATES = (*WAITING, *PASSED, "failed", "cancelled", "skipped", "digested")
"""All of them. The last four have ended without Postfix; the last one in another's mail."""
