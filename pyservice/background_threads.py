"""Threads that work in the background until they are stopped."""

import threading
import time
from collections.abc import Callable, Iterable


class BackgroundThread(threading.Thread):
    """A thread that ends soon after `stopping` is set, and with the process at the latest."""

    def __init__(self, work: Callable[[], object], name: str) -> None:
        """Start nothing yet.

        Args:
            work: returns once `stopping` is set.
            name: what the work is, for a list of the process' threads.
        """
        super().__init__(target=work, name=name, daemon=True)
        self.stopping = threading.Event()

    def stop(self, seconds: float | None = 2.0) -> None:
        """End the thread, if it was started, and wait for that.

        Args:
            seconds: how long at most; None: until it has ended.
        """
        self.stopping.set()
        if self.is_alive():
            self.join(seconds)


def join_all(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for the end of all threads, for some seconds at most."""
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
