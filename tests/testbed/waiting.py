"""Waiting for what happens in another process."""

import time
from collections.abc import Callable

from tests.testbed.errors import TestbedError


def until(
    condition: Callable[[], bool],
    told: str | Callable[[], str],
    *,
    seconds: float = 15,
    pause: float = 0.03,
) -> None:
    """Poll until a condition holds.

    Raises:
        TestbedError: it did not within `seconds`; `told` says what was waited for.
    """
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            text = told if isinstance(told, str) else told()
            raise TestbedError(f"Not within {seconds:g} s: {text}")
        time.sleep(pause)
