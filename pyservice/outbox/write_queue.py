"""Writes that share commits.

A commit waits for the disk, and a statement costs more to prepare than to run. So one thread makes
all writes: those that arrive during a commit are the next batch, and equal work of a batch is done
in one call. Writes for which no caller waits stand back for a few milliseconds, and are committed
with the next one for which somebody does.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

_I = TypeVar("_I")
_T = TypeVar("_T")
Work = Callable[[sa.Connection, Sequence[_I]], Sequence[_T | BaseException]]
"""Writes many items, and returns the result or the error of each, in their order."""


class _Write(Generic[_I, _T]):
    """An item that waits for its commit."""

    def __init__(self, work: Work[_I, _T], item: _I, *, stands_back: bool) -> None:
        self.work, self.item, self.stands_back = work, item, stands_back
        self.done: Future[_T] = Future()


class WriteQueue:
    """The thread that makes all writes. Thread-safe; `close` it."""

    def __init__(
        self,
        connect: Callable[[], sa.Connection],
        on_failure: Callable[[sa.exc.SQLAlchemyError], None],
        *,
        keep: bool,
        max_batch: int = 64,
        gather_time: float = 0.005,
    ) -> None:
        """Connect to nothing yet.

        Args:
            connect: opens a connection for writing.
            on_failure: called with what failed a commit; each of its writes gets it, too.
            keep: use one connection for all writes, until an error.
            max_batch: writes that share one commit.
            gather_time: seconds for which writes that stand back wait for others.
        """
        self._connect, self._on_failure, self._keep = connect, on_failure, keep
        self._max_batch, self._gather_time = max_batch, gather_time
        self._connection: sa.Connection | None = None
        self._waiting: SimpleQueue[_Write[Any, Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def submit(self, work: Work[_I, _T], item: _I, *, stands_back: bool = False) -> Future[_T]:
        """Write an item soon; see `Database.submit`."""
        write = _Write(work, item, stands_back=stands_back)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        self._waiting.put(write)
        return write.done

    def close(self) -> None:
        """Commit the writes that wait, and end the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _run(self) -> None:
        """Write batch after batch, until `close`."""
        is_last = False
        while not is_last:
            batch = self._next_batch()
            is_last = None in batch
            # A write whose caller has cancelled it in time is left out.
            wanted = [
                write for write in batch if write and write.done.set_running_or_notify_cancel()
            ]
            if wanted:
                self._commit(wanted)
        self._disconnect()

    def _next_batch(self) -> list[_Write[Any, Any] | None]:
        """Wait for a write, and return it with those that share its commit; None: `close`."""
        batch: list[_Write[Any, Any] | None] = []
        seconds = None
        while len(batch) < self._max_batch:
            try:
                write = self._waiting.get(timeout=seconds)
            except Empty:
                break
            if not batch:
                ends = time.monotonic() + self._gather_time
            batch.append(write)
            if write is None or not write.stands_back:
                ends = 0.0  # somebody waits for it
            seconds = max(ends - time.monotonic(), 0.0)
        return batch

    def _commit(self, batch: Sequence[_Write[Any, Any]]) -> None:
        by_work: dict[Work[Any, Any], list[_Write[Any, Any]]] = {}
        for write in batch:
            by_work.setdefault(write.work, []).append(write)
        results: list[tuple[_Write[Any, Any], Any]] = []
        try:
            with self._transaction() as connection:
                for work, writes in by_work.items():
                    values = work(connection, [write.item for write in writes])
                    results += zip(writes, values, strict=True)
        except BaseException as error:
            self._disconnect()
            # The disk, the server or a lock fails every write, and each one would wait for it.
            if len(batch) == 1 or isinstance(error, sa.exc.OperationalError):
                if isinstance(error, sa.exc.SQLAlchemyError):
                    self._on_failure(error)
                for write in batch:
                    write.done.set_exception(error)
                return
            for write in batch:  # one of them failed: the others are written without it
                self._commit([write])
            return
        for write, value in results:
            if isinstance(value, BaseException):
                write.done.set_exception(value)
            else:
                write.done.set_result(value)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.begin():
            yield self._connection
        if not self._keep:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
