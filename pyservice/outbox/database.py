"""The outbox's database: opening, migration, and writes that share commits.

The default is SQLite: one file of one service, which commands may open as guests. Several services
share an outbox in PostgreSQL. The same statements run on both.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pyservice.errors import ConfigurationError, SetupError
from pyservice.outbox.engines import (
    CALLERS,
    GUEST_LOCK_TIMEOUT,
    LOCK_TIMEOUT,
    WRITING,
    cause,
    connect,
    own,
    unusable,
)
from pyservice.outbox.tables import SCHEMA_VERSION, metadata
from pyservice.outbox.trouble import Trouble
from pyservice.outbox.write_queue import Work, WriteQueue

_I = TypeVar("_I")
_T = TypeVar("_T")
_versions = sa.table("alembic_version", sa.column("version_num", sa.String))


@dataclass(frozen=True)
class Schema:
    """A version of the tables."""

    version: str
    versions: Path
    """The folder with a migration for each version."""


CURRENT = Schema(SCHEMA_VERSION, Path(__file__).with_name("migrations") / "versions")


class Database:
    """A database. Thread-safe; `close` it."""

    _engine: sa.Engine
    _lock: int | None = None
    """The lock of a service's file."""

    def __init__(
        self, url: str, schema: Schema = CURRENT, *, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        """Open it as its service, and create or upgrade its tables.

        Args:
            url: `sqlite:///` and a path, whose folder is created, or `postgresql+psycopg://…`.
            schema: the tables' version, and its migrations.
            lock_timeout: seconds that a write waits for a lock of SQLite's file.

        Raises:
            ConfigurationError: it can't be used, or another process has the file.
        """
        self._begin(url, schema)
        if not self.is_shared:
            self._lock = own(self._file)
        try:
            self._engine = connect(self._url, lock_timeout=lock_timeout)
            self._migrate()
        except (OSError, sa.exc.SQLAlchemyError) as error:
            self.close()
            raise ConfigurationError(
                f"The outbox {self.name} can't be used: {cause(error)}."
            ) from None
        except BaseException:
            self.close()
            raise

    @classmethod
    def guest(cls, url: str, schema: Schema = CURRENT) -> Self | None:
        """Open it beside its service, which may be running: lock, create and migrate nothing.

        Args:
            url: the service's.
            schema: the service's.

        Returns:
            None: there is none yet.

        Raises:
            SetupError: it can't be used, or its tables are another version's.
        """
        guest = cls.__new__(cls)
        guest._begin(url, schema, is_guest=True)
        try:
            if not guest.is_shared and not guest._file.exists():
                return None
            guest._engine = connect(guest._url, is_guest=True, lock_timeout=GUEST_LOCK_TIMEOUT)
            with guest.read() as read:
                version = guest._version(read)
        except (OSError, sa.exc.SQLAlchemyError) as error:
            guest.close()
            raise unusable(guest.name, error) from None
        if version == schema.version:
            return guest
        guest.close()
        if version is None:
            return None
        raise SetupError(
            f"The outbox {guest.name} is another notify-email's (its tables are version {version}, "
            f"this one's {schema.version}): use that service's command, or start this one's "
            "service first."
        )

    def _begin(self, url: str, schema: Schema, *, is_guest: bool = False) -> None:
        self._schema = schema
        self._url = sa.make_url(url)
        self.name = self._url.render_as_string(hide_password=True)
        """The URL without its password."""
        self.is_shared = self._url.get_backend_name() == "postgresql"
        """Whether several services may use it."""
        self._file = Path(self._url.database or "")
        self._callers = BoundedSemaphore(CALLERS)
        named = self.name if self.is_shared else str(self._file)
        self.trouble = Trouble(named, is_logged=not is_guest)
        self._damage = ""

    def close(self) -> None:
        """Commit what waits, and disconnect."""
        if hasattr(self, "_engine"):
            self._writer.close()
            self._engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Return a connection for reading what the service itself needs."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            self.trouble.report(error)
            raise

    @contextmanager
    def read_for_caller(self) -> Iterator[sa.Connection]:
        """Return a connection for reading what a caller has requested.

        All callers together have `CALLERS` of the connections: delivery always has some of its own.
        """
        with self._callers, self.read() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do some work and commit it, together with other work that waits.

        Args:
            work: statements; they run again if the commit with other work fails.

        Returns:
            The result of `work`, once it is committed.

        Raises:
            SQLAlchemyError: it is not committed.
        """
        return self.submit(_each, work).result()

    def submit(self, work: Work[_I, _T], item: _I, *, stands_back: bool = False) -> Future[_T]:
        """Do some work soon, in one commit with all items that wait for the same work.

        Args:
            work: writes many items; it runs again if the commit with other work fails.
            item: what to write.
            stands_back: whether it may wait for a few milliseconds, since no caller waits for it.

        Returns:
            A future of the item's result, once it is committed; or of its own error, or of a
            SQLAlchemyError if it is not committed.
        """
        return self._writer.submit(work, item, stands_back=stands_back)

    def now(self) -> sa.ColumnElement[float]:
        """Return seconds since the epoch, by the clock that all services of the database share.

        It is read each time a statement with it runs: statements are built once.
        """
        if self.is_shared:
            return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
        return sa.bindparam(None, callable_=time.time, type_=sa.Float)

    def insert_if_new(self, table: sa.Table) -> Any:
        """Return an INSERT that does nothing if a unique value exists."""
        return self._insert(table).on_conflict_do_nothing()

    def put(self, table: sa.Table) -> Any:
        """Return an INSERT that updates all other columns if the primary key exists."""
        insert = self._insert(table)
        new = {
            column.name: insert.excluded[column.name]
            for column in table.columns
            if not column.primary_key
        }
        return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=new)

    def _insert(self, table: sa.Table) -> Any:
        return (postgresql if self.is_shared else sqlite).insert(table)

    def check(self) -> None:
        """Check that it can be written.

        Raises:
            OSError: the disk is full, the file is read-only or damaged, or the server is away.
        """
        if self._damage:
            raise OSError(self._damage)
        try:
            version = _versions.update().values(version_num=self._schema.version)
            self.write(lambda write: write.execute(version))
        except sa.exc.SQLAlchemyError as error:
            raise OSError(cause(error)) from None

    def look_for_damage(self) -> str:
        """Read the whole SQLite file, which takes a while; `check` reports the damage from then on.

        Returns:
            The damage; empty: there is none, or the database is PostgreSQL, which checks itself.
        """
        if self.is_shared:
            return ""
        try:
            with self.read() as read:
                result = read.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        except sa.exc.DatabaseError as error:
            result = cause(error)
        if result != "ok":
            reason = " ".join(str(result).split())
            self._damage = f"{self._file} is damaged: {reason}. docs/outbox.md says what to do"
        return self._damage

    def give_back(self, pages: int) -> int:
        """Return some unused pages of a SQLite file to the disk.

        Args:
            pages: how many at most, in one short commit.

        Returns:
            How many unused pages are left.
        """
        if self.is_shared:
            return 0

        def vacuum(write: sa.Connection) -> int:
            unused = int(write.exec_driver_sql("PRAGMA freelist_count").scalar_one())
            for _ in range(min(pages, unused)):  # sqlite3 stops after the first page of each call
                write.exec_driver_sql("PRAGMA incremental_vacuum(1)")
            return max(0, unused - pages)

        return self.write(vacuum)

    @cached_property
    def _writer(self) -> WriteQueue:
        return WriteQueue(self._writing.connect, self.trouble.report, keep=not self.is_shared)

    @property
    def _writing(self) -> sa.Engine:
        return self._engine.execution_options(**WRITING)

    def _version(self, connection: sa.Connection) -> str | None:
        """Return the version of the tables; None: there are none."""
        names = sa.inspect(connection).get_table_names()
        if "alembic_version" in names:
            return str(connection.execute(sa.select(_versions.c.version_num)).scalar_one())
        return "" if {"reports", "events"} & set(names) else None  # before the first release

    def _migrate(self) -> None:
        with self._writing.begin() as connection:
            if self.is_shared:  # two services that start at once
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            version = self._version(connection)
            if version is None:
                metadata.create_all(connection)
                connection.exec_driver_sql(_VERSION_TABLE)
                connection.execute(_versions.insert().values(version_num=self._schema.version))
                return
            if not version:
                raise ConfigurationError(
                    f"The outbox {self.name} is that of an unreleased notify-email, or of another "
                    "program: move it away, or give a fresh NOTIFY_EMAIL_DATABASE_URL."
                )
            if version > self._schema.version:
                raise ConfigurationError(
                    f"The outbox {self.name} is a newer notify-email's (its tables are version "
                    f"{version}, this one's {self._schema.version}): install that one, or a fresh "
                    "NOTIFY_EMAIL_DATABASE_URL."
                )
            if version != self._schema.version:
                # Late: importing it takes as long as all the rest of the start.
                from pyservice.outbox.migrations import upgrade  # noqa: PLC0415

                upgrade(connection, version, self._schema.versions)


def _each(write: sa.Connection, works: Sequence[Callable[[sa.Connection], _T]]) -> list[_T]:
    return [work(write) for work in works]


_MIGRATION_LOCK = 0x6E6F746966  # any number that is ours
_VERSION_TABLE = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
