"""A few threads with a bounded queue, so that previews keep no other work waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from pyservice.errors import BusyError

_P = ParamSpec("_P")
_T = TypeVar("_T")


class BoundedThreads:
    """Runs calls in its own threads, and refuses one that would wait too long."""

    def __init__(self, threads: int, most: int, name: str) -> None:
        """Start no thread yet.

        Args:
            threads: how many calls run at the same time.
            most: how many calls run and wait together.
            name: of the threads.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = BoundedSemaphore(most)

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what the call returns, or raise what it raises.

        Raises:
            BusyError: too many calls wait already.
        """
        if not self._room.acquire(blocking=False):
            raise BusyError("The service makes too many previews: try again later.")
        try:
            future = self._pool.submit(call, *args, **kwargs)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Cancel what waits; what runs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: Future[_T]) -> None:
        self._room.release()
