"""Waiting for an event in another process."""

import time
from collections.abc import Callable

from tests.builders.patience import PATIENCE
from tests.testbed.errors import TestbedError


def until(
    condition: Callable[[], bool],
    description: str | Callable[[], str],
    *,
    seconds: float = PATIENCE,
    pause: float = 0.03,
) -> None:
    """Poll until a condition holds.

    Args:
        condition: whether the event has happened.
        description: the event, for the error.
        seconds: when to give up; far more than a busy machine needs.
        pause: seconds between two polls.

    Raises:
        TestbedError: the condition did not hold in time.
    """
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            text = description if isinstance(description, str) else description()
            raise TestbedError(f"Not within {seconds:g} s: {text}")
        time.sleep(pause)
