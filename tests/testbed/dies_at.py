"""`python -m tests.testbed.dies_at POINT COUNT serve …`: the service, which kills itself somewhere.

POINT is `before-commit`, `after-commit`, `before-send` or `after-reply`: a commit to the outbox, a
command to Postfix, or Postfix' reply. The service dies by SIGKILL at the COUNTth of them, counted
from the first report that it accepts.
"""

import itertools
import os
import signal
import smtplib
import sys
from collections.abc import Callable
from typing import Any

from pyservice import cli
from pyservice.outbox.queue import Outbox
from pyservice.outbox.write_queue import WriteQueue

_counted = itertools.count(1)
_begun = False


def main() -> None:
    """Run the service until it dies."""
    point, count = sys.argv[1], int(sys.argv[2])
    del sys.argv[1:3]
    when, _, what = point.partition("-")
    owner, name = {
        "commit": (WriteQueue, "_commit"),
        "send": (smtplib.SMTP, "send"),
        "reply": (smtplib.SMTP, "getreply"),
    }[what]
    setattr(owner, name, dying(getattr(owner, name), count, before=when == "before"))
    accept = Outbox.accept

    def beginning(*args: Any, **kwargs: Any) -> Any:
        global _begun  # noqa: PLW0603
        _begun = True
        return accept(*args, **kwargs)

    Outbox.accept = beginning  # type: ignore[method-assign]
    cli.main()


def dying(function: Callable[..., Any], count: int, *, before: bool) -> Callable[..., Any]:
    """Return a function that kills this process at its COUNTth call."""

    def call(*args: Any, **kwargs: Any) -> Any:
        is_last = _begun and next(_counted) == count
        if is_last and before:
            os.kill(os.getpid(), signal.SIGKILL)
        value = function(*args, **kwargs)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    return call


if __name__ == "__main__":
    main()
