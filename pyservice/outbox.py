"""The durable queue between the API and Postfix: one SQLite file, owned by one process.

A report is committed here before its sender is told 202, its bytes before the first attempt, and
each outcome before the next: a crash at any moment loses nothing. A row that was being sent when
the process died is sent again, and its history says that it may be doubled.

States: received → queued (the bytes are stored) → sending → accepted (Postfix took it),
or failed (kept for a person). Times are seconds since the epoch, UTC.
"""

import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pyservice.entries import SCHEMA_VERSION, Entry, Event, events, metadata, reports
from pyservice.errors import ConfigurationError, ConflictError, NotFoundError, SetupError
from pyservice.mail import message_id
from pyservice.policy import Envelope
from pyservice.report import Report


class Outbox:
    """The queue. Thread-safe; `close` it."""

    def __init__(self, file: Path, *, host: str) -> None:
        """Open the queue, make it where there is none, and take back what a crash left behind.

        Args:
            file: the SQLite file; its folder is made.
            host: the right side of Message-IDs.

        Raises:
            ConfigurationError: the file can't be used, or another process has it.
        """
        self._host = host
        self._writing = threading.Lock()
        self._taken: set[str] = set()
        self._taking = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigurationError(
                f"The outbox {file} belongs to a service that is running. "
                "Stop it, or give this one its own DATABASE_URL."
            ) from None
        except OSError as error:
            raise ConfigurationError(f"The outbox {file} can't be used: {error}.") from None
        self._engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})
        sa.event.listen(self._engine, "connect", _prepare)
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            metadata.create_all(self._engine)
            self._recover()
        except (OSError, sa.exc.SQLAlchemyError) as error:
            self.close()
            cause = getattr(error, "orig", None) or error
            raise ConfigurationError(f"The outbox {file} can't be used: {cause}.") from None

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()
        os.close(self._lock)

    def accept(
        self, report: Report, people: Envelope, *, owner: str, key: str | None = None
    ) -> tuple[Entry, bool]:
        """Commit a report; the same one a second time is the first.

        Args:
            report: what to report.
            people: to whom.
            owner: the token's name: keys belong to their token.
            key: the caller's idempotency key; without one the report's digest is the key.

        Returns:
            The entry, and whether it is new.

        Raises:
            ConflictError: the key was used for another report.
        """
        digest = report.digest()
        idempotency_key = f"key:{key}" if key else f"report:{digest}"
        known = sa.select(reports).where(
            reports.c.owner == owner, reports.c.idempotency_key == idempotency_key
        )
        with self._write() as write:
            found = write.execute(known).mappings().one_or_none()
            if found is None:
                return self._add(write, report, people, owner, digest, idempotency_key), True
        if found["digest"] != digest:
            raise ConflictError
        return Entry.of(found), False

    def _add(
        self,
        write: sa.Connection,
        report: Report,
        people: Envelope,
        owner: str,
        digest: str,
        idempotency_key: str,
    ) -> Entry:
        now, entry_id = time.time(), str(uuid.uuid4())
        entry = Entry(
            id=entry_id,
            owner=owner,
            digest=digest,
            message_id=message_id(entry_id, self._host),
            report=report,
            people=people,
            created=now,
            state="received",
            mail=None,
            pending=people.recipients,
            attempts=0,
            due=now,
            taken=False,
            uncertain=0,
            queue_id=None,
            error=None,
        )
        write.execute(reports.insert(), entry.columns() | {"idempotency_key": idempotency_key})
        _note(write, entry_id, now, "received", "")
        return entry

    def get(self, entry_id: str, *, owner: str) -> tuple[Entry, tuple[Event, ...]]:
        """One entry with its history.

        Raises:
            NotFoundError: there is none, or it is another token's.
        """
        with self._engine.connect() as read:
            entry = self._find(read, entry_id, owner)
            rows = read.execute(
                sa.select(events).where(events.c.report_id == entry_id).order_by("number")
            ).mappings()
            return entry, tuple(Event(row["at"], row["state"], row["note"]) for row in rows)

    def take(self) -> Entry | None:
        """An entry that is due, for this caller alone until `settle` or `release`."""
        query = sa.select(reports).where(reports.c.due <= time.time()).order_by("due").limit(1)
        with self._taking, self._engine.connect() as read:
            # The one process that has the file keeps its own reservations: no commit needed.
            row = read.execute(query.where(reports.c.id.not_in(self._taken))).mappings().first()
            if row is None:
                return None
            self._taken.add(row["id"])
            return Entry.of(row)

    def release(self, entry: Entry) -> None:
        """Give an entry back as it was."""
        with self._taking:
            self._taken.discard(entry.id)

    def next_due(self) -> float | None:
        """When the next entry that nobody has is due."""
        with self._taking, self._engine.connect() as read:
            query = sa.select(sa.func.min(reports.c.due))
            return read.execute(query.where(reports.c.id.not_in(self._taken))).scalar()

    def sending(self, entry: Entry, mail: bytes) -> None:
        """Commit the mail's bytes and that it is on its way, before the first octet is sent."""
        now = time.time()
        with self._write() as write:
            if entry.mail is None:
                _note(write, entry.id, now, "queued", f"{len(mail)} bytes")
            _note(write, entry.id, now, "sending", f"attempt {entry.attempts + 1}")
            values = {"state": "sending", "mail": mail, "attempts": entry.attempts + 1}
            self._update(write, entry.id, values)

    def settle(
        self,
        entry: Entry,
        *,
        state: str,
        note: str,
        error: str | None = None,
        pending: tuple[str, ...] = (),
        due: float | None = None,
        taken: bool = False,
        uncertain: bool = False,
        queue_id: str | None = None,
    ) -> None:
        """Commit what became of an attempt, and give the entry back.

        Args:
            entry: as it was taken.
            state: what it is now.
            note: the attempt in the history's words.
            error: what went wrong, for whom; None: nothing did this time.
            pending: recipients to try again at `due`.
            due: seconds since the epoch; None: there is no further attempt.
            taken: Postfix took it for some recipients.
            uncertain: Postfix may have taken it.
            queue_id: Postfix' queue ID, where it told one.
        """
        values: dict[str, Any] = {
            "state": state,
            "pending": json.dumps(pending),
            "due": due,
            "taken": entry.taken or taken,
            "uncertain": entry.uncertain + uncertain,
            "queue_id": queue_id or entry.queue_id,
            "error": error or entry.error,
        }
        with self._write() as write:
            _note(write, entry.id, time.time(), state, note)
            self._update(write, entry.id, values)
        self.release(entry)

    def check(self) -> None:
        """Write to the file.

        Raises:
            OSError: the disk is full, the file read-only or damaged.
        """
        try:
            with self._write() as write:
                write.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sa.exc.SQLAlchemyError as error:
            raise OSError(str(getattr(error, "orig", error))) from None

    def _recover(self) -> None:
        with self._write() as write:
            left = (
                write.execute(sa.select(reports.c.id).where(reports.c.state == "sending"))
                .scalars()
                .all()
            )
            for entry_id in left:
                note = "the service stopped while sending: it may be doubled"
                _note(write, entry_id, time.time(), "queued", note)
                values = {
                    "state": "queued",
                    "due": time.time(),
                    "uncertain": reports.c.uncertain + 1,
                }
                self._update(write, entry_id, values)

    def _find(self, read: sa.Connection, entry_id: str, owner: str | None = None) -> Entry:
        row = (
            read.execute(sa.select(reports).where(reports.c.id == entry_id))
            .mappings()
            .one_or_none()
        )
        if row is None or owner not in {None, row["owner"]}:
            raise NotFoundError("There is no such report.")
        return Entry.of(row)

    def _update(self, write: sa.Connection, entry_id: str, values: dict[str, Any]) -> None:
        write.execute(reports.update().where(reports.c.id == entry_id).values(values))

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        # SQLite has one writer; waiting here costs less than its busy handler's sleeps.
        with self._writing, self._engine.begin() as connection:
            yield connection


def waiting(file: Path) -> int:
    """How many mails of an outbox, whose service may be running, Postfix has not got yet.

    Raises:
        SetupError: it can't be read.
    """
    engine = sa.create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
    query = sa.select(sa.func.count()).where(reports.c.due.is_not(None))
    try:
        with engine.connect() as read:
            return int(read.execute(query).scalar_one())
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise SetupError(f"The outbox {file} can't be read: {cause}.") from None
    finally:
        engine.dispose()


def _note(write: sa.Connection, entry_id: str, at: float, state: str, note: str) -> None:
    write.execute(events.insert(), {"report_id": entry_id, "at": at, "state": state, "note": note})


def _prepare(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
