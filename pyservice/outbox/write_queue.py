"""Writes that share commits.

A commit waits for the disk, and a statement costs more to prepare than to run; so one thread
writes for all. Whatever comes while it commits is the next group, and what is alike in a group is
done at once.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

MAX_GROUP = 64
"""Writes that share one commit."""
GATHER = 0.002
"""Seconds to wait for more, where the last group had several: fewer commits cost less."""

_I = TypeVar("_I")
_T = TypeVar("_T")
Work = Callable[[sa.Connection, Sequence[_I]], Sequence[_T | BaseException]]
"""Does many items' work at once: for each, in order, what it returns or the error that it meets."""


class _Write(Generic[_I, _T]):
    """A piece of work that waits for its commit."""

    def __init__(self, work: Work[_I, _T], item: _I) -> None:
        self.work, self.item = work, item
        self.done: Future[_T] = Future()


class WriteQueue:
    """The one who writes. Thread-safe; `close` it."""

    def __init__(self, connect: Callable[[], sa.Connection], *, keep: bool) -> None:
        """Nothing is connected yet.

        Args:
            connect: makes a connection to write by.
            keep: use it again and again, until something goes wrong.
        """
        self._connect, self._keep = connect, keep
        self._connection: sa.Connection | None = None
        self._waiting: SimpleQueue[_Write[Any, Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closing = threading.Event()

    def submit(self, work: Work[_I, _T], item: _I) -> Future[_T]:
        """What came of the item, once it is committed, or the error: see `Database.submit`."""
        mine = _Write(work, item)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._go_on, daemon=True)
                self._thread.start()
        self._waiting.put(mine)
        return mine.done

    def close(self) -> None:
        """Commit what waits, and end."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._waiting.put(None)
            thread.join()

    def _go_on(self) -> None:
        """Write what waits, group by group, until `close`."""
        is_last = is_busy = False
        while not is_last:
            group = [self._waiting.get()]
            if is_busy:
                self._closing.wait(GATHER)
            try:
                while len(group) < MAX_GROUP:
                    group.append(self._waiting.get_nowait())
            except Empty:
                pass
            is_last, is_busy = None in group, len(group) > 1
            # Who does not wait any more, and said so in time, is not written for.
            wanted = [one for one in group if one and one.done.set_running_or_notify_cancel()]
            if wanted:
                self._commit(wanted)
        self._hang_up()

    def _commit(self, group: Sequence[_Write[Any, Any]]) -> None:
        alike: dict[Work[Any, Any], list[_Write[Any, Any]]] = {}
        for one in group:
            alike.setdefault(one.work, []).append(one)
        came: list[tuple[_Write[Any, Any], Any]] = []
        try:
            with self._transaction() as connection:
                for work, some in alike.items():
                    values = work(connection, [one.item for one in some])
                    came += zip(some, values, strict=True)
        except BaseException as error:
            self._hang_up()
            # The disk, the server or a lock fails all of them, and would keep each one waiting.
            if len(group) == 1 or isinstance(error, sa.exc.OperationalError):
                for one in group:
                    one.done.set_exception(error)
                return
            for one in group:  # one of them failed, and the others have nothing to do with it
                self._commit([one])
            return
        for one, value in came:
            if isinstance(value, BaseException):
                one.done.set_exception(value)
            else:
                one.done.set_result(value)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.begin():
            yield self._connection
        if not self._keep:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
