"""Connections to the outbox's database: SQLite's file and its lock, or PostgreSQL."""

import fcntl
import os
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pyservice.errors import ConfigurationError, SetupError, os_reason

WRITING = {"is_write": True}
"""The option of connections that write."""
LOCK_TIMEOUT = 4.0
"""Seconds that a service waits for a lock of SQLite's file. Callers wait 10 s for an answer, which
is enough for two such waits and the error."""
GUEST_LOCK_TIMEOUT = 30.0
"""Seconds that a command waits for it."""
CALLERS = 4
"""How many of the 15 connections of SQLAlchemy's pool read what callers request."""
AS_THE_SERVICE = (
    "Run this as the service's user and with its settings: NOTIFY_EMAIL_DATABASE_URL, or --config."
)
"""What to do where a command doesn't find the service's outbox, or may not use it."""
_CURES = {
    "locked": "Try again: another program is writing to it.",
    "full": "Make room on its disk, then try again.",
    "connection": "Does PostgreSQL run there, and may this user log in?",
}
"""What to do about other reasons, by a word of theirs."""


def connect(
    url: sa.URL, *, is_guest: bool = False, lock_timeout: float = LOCK_TIMEOUT
) -> sa.Engine:
    """Return an engine, without a connection yet.

    Args:
        url: SQLite's or PostgreSQL's.
        is_guest: create no file, and leave the file's settings as they are.
        lock_timeout: seconds to wait for a lock of SQLite's file.

    Raises:
        ConfigurationError: PostgreSQL's driver isn't installed.
    """
    try:
        if url.get_backend_name() == "postgresql":
            return sa.create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"PostgreSQL needs {error.name}, which is not installed here: "
            f"pip install '{error.name}[binary]'"
        ) from None
    if is_guest:
        url = url.set(database=f"file:{url.database}", query={"mode": "rw", "uri": "true"})
    engine = sa.create_engine(url, connect_args={"timeout": lock_timeout})
    sa.event.listen(engine, "connect", _prepare_guest if is_guest else _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def cause(error: BaseException) -> str:
    """Return the driver's message, or the system's, on one line and without a full stop."""
    if isinstance(error, OSError):
        return os_reason(error)
    words = " ".join(str(getattr(error, "orig", None) or error).split())
    return re.sub(r"\[Errno -?\d+\] ", "", words).rstrip(".?")


def unusable(outbox: str, error: BaseException) -> SetupError:
    """Return why a command can't use an outbox, with what to do.

    Args:
        outbox: its URL without the password.
        error: the driver's, or the system's.
    """
    reason = cause(error)
    cure = next((cure for sign, cure in _CURES.items() if sign in reason), AS_THE_SERVICE)
    return SetupError(f"The outbox {outbox} can't be used: {reason}. {cure}")


def own(file: Path) -> int:
    """Lock a SQLite file for this process, and return the lock; only its user may read the file."""
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
                "Stop it, or give this one its own NOTIFY_EMAIL_DATABASE_URL."
            ) from None
        raise ConfigurationError(f"The outbox {file} can't be used: {os_reason(error)}.") from None
    return lock


def _prepare(connection: Any, record: object) -> None:
    # auto_vacuum first: it works only before there are tables.
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    _prepare_guest(connection, record)


def _prepare_guest(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # else Python's sqlite3 begins no transaction before a write
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: sa.Connection) -> None:
    # A guest must not change a row between its read and its write.
    is_write = connection.get_execution_options().get("is_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
