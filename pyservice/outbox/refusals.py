"""What stays true of a report's error after a later attempt: that recipients were refused."""

import re
from collections.abc import Collection

_REFUSAL = re.compile(r"(?s)(?:^|; )refused (\S+): (.*?)(?=; (?:refused|deferred) \S+: |\Z)")


def error_after(before: str | None, tried: Collection[str] = (), error: str = "") -> str | None:
    """Return a report's error after an attempt; None: nothing is wrong any more.

    Args:
        before: its error until then, as `delivery.settlement` made it.
        tried: the recipients of the attempt. What was wrong for these has come right, or is in the
            attempt's own error.
        error: the attempt's own; empty: there was none.
    """
    kept = [
        f"refused {recipient}: {reply}"
        for recipient, reply in refusals(before).items()
        if recipient not in tried
    ]
    return "; ".join([error, *kept] if error else kept) or None


def refusals(error: str | None) -> dict[str, str]:
    """Return the recipients that a report's error names as refused, each with Postfix' reply."""
    return dict(_REFUSAL.findall(error or ""))
