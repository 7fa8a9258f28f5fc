"""background_threads.py: threads end when they are to, and nobody waits for one without an end."""

import threading

from pyservice.background_threads import BackgroundThread, join_all
from tests.builders.patience import HANG, PATIENCE


def test_stop() -> None:
    """Stopping wakes the work, and waits for its end."""
    ended: list[str] = []

    def work() -> None:
        if thread.stopping.wait(HANG):
            ended.append("stopped")

    thread = BackgroundThread(work, "test")
    thread.start()
    thread.stop(PATIENCE)
    assert ended == ["stopped"]


def test_stop_before_the_start() -> None:
    """A thread that was never started can be stopped."""
    thread = BackgroundThread(lambda: None, "test")
    thread.stop(seconds=None)
    assert not thread.is_alive()


def test_work_that_does_not_end() -> None:
    """Nobody waits longer than for the given seconds for work that goes on."""
    is_over = threading.Event()
    stuck = [BackgroundThread(lambda: is_over.wait(HANG), "test") for _ in range(3)]
    for thread in stuck:
        thread.start()
    stuck[0].stop(0.01)
    join_all(stuck, 0.01)
    assert all(thread.is_alive() for thread in stuck)
    is_over.set()
    join_all(stuck, PATIENCE)
    assert not any(thread.is_alive() for thread in stuck)
