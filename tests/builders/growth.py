"""How the time of a computation grows with what it is given, on a machine that does more."""

import time
from collections.abc import Callable

TRIES = 10
"""How often a computation that seems slow is measured again: one that is slow always is."""


def cpu_seconds(compute: Callable[[], object], times: int = 3) -> float:
    """Return the least CPU time that this process takes for it."""
    measured = []
    for _ in range(times):
        began = time.process_time()
        compute()
        measured.append(time.process_time() - began)
    return min(measured)


def is_at_most(most: float, compute: Callable[[], object]) -> bool:
    """Whether it takes at most so many CPU seconds, at least in one of some tries."""
    return any(cpu_seconds(compute, 1) <= most for _ in range(TRIES))
