"""The outbox's database: opened, brought to this version's tables, and written in groups.

SQLite by default: one file, owned by one process. PostgreSQL where several services share one
outbox; the same statements run on both.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pyservice.entries import SCHEMA_VERSION, metadata, reports
from pyservice.errors import ConfigurationError, SetupError

MAX_GROUP = 64
"""Writes that share one commit."""

_T = TypeVar("_T")
_versions = sa.table("alembic_version", sa.column("version_num", sa.String))


class _Write(Generic[_T]):
    """A piece of work that waits for its commit."""

    def __init__(self, work: Callable[[sa.Connection], _T]) -> None:
        self.work = work
        self.is_done = False
        self.value: _T
        self.error: BaseException | None = None


class Database:
    """A database. Thread-safe; `close` it."""

    def __init__(self, url: str) -> None:
        """Open it, and make or change its tables where they are not this version's.

        Args:
            url: `sqlite:///` and a path, whose folder is made, or `postgresql+psycopg://…`.

        Raises:
            ConfigurationError: it can't be used, or another process has the file.
        """
        self._url = sa.make_url(url)
        self.name = self._url.render_as_string(hide_password=True)
        """For a person: without its password."""
        self.is_shared = self._url.get_backend_name() == "postgresql"
        """Whether other processes use it, too."""
        self._lock: int | None = None
        self._waiting: list[_Write[Any]] = []
        self._state = threading.Condition()
        self._is_committing = False
        if not self.is_shared:
            self._lock = _own(Path(self._url.database or ""))
        try:
            self._engine = self._connect()
            self._migrate()
        except (OSError, sa.exc.SQLAlchemyError) as error:
            self.close()
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            raise ConfigurationError(f"The outbox {self.name} can't be used: {cause}.") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release it."""
        if hasattr(self, "_engine"):
            self._engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection to read by."""
        with self._engine.connect() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do some work and commit it, together with what other threads wait to write meanwhile.

        A commit waits for the disk; so whoever comes first commits for all who came in the
        meantime.

        Args:
            work: statements; it may be run again, if a commit with others' fails.

        Returns:
            What `work` returned, once it is committed.

        Raises:
            SQLAlchemyError: it is not committed.
        """
        mine = _Write(work)
        with self._state:
            self._waiting.append(mine)
            while not mine.is_done and self._is_committing:
                self._state.wait()
            if not mine.is_done:
                self._is_committing = True
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
        if not mine.is_done:
            try:
                self._commit(group)
            finally:
                with self._state:
                    self._is_committing = False
                    for one in group:
                        one.is_done = True
                    self._state.notify_all()
        if mine.error is not None:
            raise mine.error
        return mine.value

    def now(self) -> sa.ColumnElement[float]:
        """Seconds since the epoch, by the one clock that all who share the database see."""
        if self.is_shared:
            return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
        return sa.literal(time.time(), sa.Float)

    def insert_if_new(self, table: sa.Table) -> Any:
        """An INSERT that does nothing where a unique value is there already."""
        if self.is_shared:
            return postgresql.insert(table).on_conflict_do_nothing()
        return sqlite.insert(table).on_conflict_do_nothing()

    def put(self, table: sa.Table, row: dict[str, Any]) -> Any:
        """An INSERT, or an UPDATE where there is a row with that primary key."""
        insert = (postgresql.insert if self.is_shared else sqlite.insert)(table).values(row)
        return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=row)

    def check(self) -> None:
        """Write to it.

        Raises:
            OSError: the disk is full, the file read-only or damaged, the server away.
        """
        try:
            self.write(lambda write: write.execute(_versions.update().values(version_num=_HEAD)))
        except sa.exc.SQLAlchemyError as error:
            raise OSError(str(getattr(error, "orig", error))) from None

    def _commit(self, group: list[_Write[Any]]) -> None:
        try:
            with self._engine.begin() as connection:
                values = [one.work(connection) for one in group]
        except BaseException as error:
            if len(group) == 1:
                group[0].error = error
                return
            for one in group:  # one of them failed, and the others have nothing to do with it
                self._commit([one])
            return
        for one, value in zip(group, values, strict=True):
            one.value = value

    def _connect(self) -> sa.Engine:
        try:
            if self.is_shared:
                return sa.create_engine(self._url, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"PostgreSQL needs {error.name}: pip install 'jenkins-notify-email[postgresql]'."
            ) from None
        engine = sa.create_engine(self._url, connect_args={"timeout": 30})
        sa.event.listen(engine, "connect", _prepare)
        return engine

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            if self.is_shared:  # two services that start at once
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            found = sa.inspect(connection).get_table_names()
            if not found:
                metadata.create_all(connection)
                connection.exec_driver_sql(_VERSION_TABLE)
                connection.execute(_versions.insert().values(version_num=_HEAD))
                return
            version = "0001"  # what there was before there were migrations
            if "alembic_version" in found:
                version = connection.execute(sa.select(_versions.c.version_num)).scalar_one()
            if version > _HEAD:
                raise ConfigurationError(
                    f"The outbox {self.name} is a newer notify-email's (its tables are version "
                    f"{version}, this one's {_HEAD}): install that one, or a fresh DATABASE_URL."
                )
            if version != _HEAD:
                # Late: importing it takes as long as all the rest of the start.
                from pyservice.migrations import upgrade  # noqa: PLC0415

                upgrade(connection, version)


_HEAD = SCHEMA_VERSION
_MIGRATION_LOCK = 0x6E6F746966  # any number that is ours
_VERSION_TABLE = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


def waiting(url: str) -> int:
    """How many mails of an outbox, whose service may be running, Postfix has not got yet.

    Raises:
        SetupError: it can't be read.
    """
    where = _reading(url)
    if where is None:
        return 0
    engine = sa.create_engine(where)
    query = sa.select(sa.func.count()).where(reports.c.due.is_not(None))
    try:
        with engine.connect() as read:
            return int(read.execute(query).scalar_one())
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise SetupError(f"The outbox {engine.url!r} can't be read: {cause}.") from None
    finally:
        engine.dispose()


def _reading(url: str) -> sa.URL | None:
    """The same database to look at while its service may be running; None: there is none yet."""
    made = sa.make_url(url)
    if made.get_backend_name() != "sqlite":
        return made
    if not Path(made.database or "").exists():
        return None
    return made.set(database=f"file:{made.database}", query={"mode": "ro", "uri": "true"})


def _own(file: Path) -> int:
    """Lock a SQLite file for this process; only its user may read it."""
    lock = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        if lock is not None:
            os.close(lock)
        if isinstance(error, BlockingIOError):
            raise ConfigurationError(
                f"The outbox {file} belongs to a service that is running. "
                "Stop it, or give this one its own DATABASE_URL."
            ) from None
        raise ConfigurationError(f"The outbox {file} can't be used: {error}.") from None
    return lock


def _prepare(connection: Any, _record: object) -> None:
    # auto_vacuum first: it counts only before there are tables.
    for pragma in (
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
