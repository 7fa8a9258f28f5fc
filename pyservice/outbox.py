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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from pyservice.addresses import Mailbox
from pyservice.errors import ConfigurationError, ConflictError, NotFoundError
from pyservice.mail import Addressing
from pyservice.policy import Envelope
from pyservice.report import Report

SCHEMA_VERSION = 1

_metadata = sa.MetaData()

_reports = sa.Table(
    "reports",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("idempotency_key", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("message_id", sa.String, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
    sa.Column("people", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("mail", sa.LargeBinary),
    sa.Column("pending", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due", sa.Float),
    sa.Column("queue_id", sa.String),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("owner", "idempotency_key"),
)
sa.Index("reports_due", _reports.c.due)

_events = sa.Table(
    "events",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("report_id", sa.ForeignKey("reports.id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Event:
    """A step in a report's history."""

    at: float
    state: str
    note: str


@dataclass(frozen=True)
class Entry:
    """One report and how far its mail has come."""

    id: str
    owner: str
    digest: str
    message_id: str
    report: Report
    people: Envelope
    created: float
    state: str
    mail: bytes | None
    pending: tuple[str, ...]
    """Recipients that have neither been accepted nor refused yet."""
    attempts: int
    due: float | None
    """When the next attempt is due; None: there is none."""
    queue_id: str | None
    error: str | None

    def addressing(self, sender: Mailbox) -> Addressing:
        """What its mail's headers need."""
        date = datetime.fromtimestamp(self.created, UTC)
        return Addressing(sender, self.people, self.message_id, date)

    @classmethod
    def _of(cls, row: sa.RowMapping) -> Self:
        people = json.loads(row["people"])
        return cls(
            **{
                name: row[name]
                for name in (
                    "id",
                    "owner",
                    "digest",
                    "message_id",
                    "created",
                    "state",
                    "mail",
                    "attempts",
                    "due",
                    "queue_id",
                    "error",
                )
            },
            report=Report.parse(row["report"].encode()),
            people=Envelope(
                **{kind: tuple(Mailbox(**box) for box in boxes) for kind, boxes in people.items()}
            ),
            pending=tuple(json.loads(row["pending"])),
        )


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
            _metadata.create_all(self._engine)
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
        now = time.time()
        entry_id = str(uuid.uuid4())
        values = {
            "id": entry_id,
            "owner": owner,
            "idempotency_key": f"key:{key}" if key else f"report:{digest}",
            "digest": digest,
            "message_id": f"<{entry_id}@{self._host}>",
            "report": report.model_dump_json(),
            "people": json.dumps(asdict(people)),
            "created": now,
            "state": "received",
            "pending": json.dumps(people.recipients),
            "attempts": 0,
            "due": now,
        }
        with self._write() as write:
            found = (
                write.execute(
                    sa.select(_reports).where(
                        _reports.c.owner == owner,
                        _reports.c.idempotency_key == values["idempotency_key"],
                    )
                )
                .mappings()
                .one_or_none()
            )
            if found is None:
                write.execute(_reports.insert(), values)
                _note(write, entry_id, now, "received", "")
                return self._find(write, entry_id), True
        if found["digest"] != digest:
            raise ConflictError
        return Entry._of(found), False

    def get(self, entry_id: str, *, owner: str) -> tuple[Entry, tuple[Event, ...]]:
        """One entry with its history.

        Raises:
            NotFoundError: there is none, or it is another token's.
        """
        with self._engine.connect() as read:
            entry = self._find(read, entry_id, owner)
            rows = read.execute(
                sa.select(_events).where(_events.c.report_id == entry_id).order_by("number")
            ).mappings()
            return entry, tuple(Event(row["at"], row["state"], row["note"]) for row in rows)

    def take(self) -> Entry | None:
        """An entry that is due, for this caller alone until `settle` or `release`."""
        query = sa.select(_reports).where(_reports.c.due <= time.time()).order_by("due").limit(1)
        with self._taking, self._engine.connect() as read:
            # The one process that has the file keeps its own reservations: no commit needed.
            row = read.execute(query.where(_reports.c.id.not_in(self._taken))).mappings().first()
            if row is None:
                return None
            self._taken.add(row["id"])
            return Entry._of(row)

    def release(self, entry: Entry) -> None:
        """Give an entry back as it was."""
        with self._taking:
            self._taken.discard(entry.id)

    def next_due(self) -> float | None:
        """When the next entry that nobody has is due."""
        with self._taking, self._engine.connect() as read:
            query = sa.select(sa.func.min(_reports.c.due))
            return read.execute(query.where(_reports.c.id.not_in(self._taken))).scalar()

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
        pending: tuple[str, ...] = (),
        due: float | None = None,
        queue_id: str | None = None,
    ) -> None:
        """Commit what became of an attempt, and give the entry back."""
        values: dict[str, Any] = {"state": state, "pending": json.dumps(pending), "due": due}
        if queue_id:
            values["queue_id"] = queue_id
        if state != "accepted":
            values["error"] = note
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
                write.execute(sa.select(_reports.c.id).where(_reports.c.state == "sending"))
                .scalars()
                .all()
            )
            for entry_id in left:
                note = "the service stopped while sending: it may be doubled"
                _note(write, entry_id, time.time(), "queued", note)
                self._update(write, entry_id, {"state": "queued", "due": time.time()})

    def _find(self, read: sa.Connection, entry_id: str, owner: str | None = None) -> Entry:
        row = (
            read.execute(sa.select(_reports).where(_reports.c.id == entry_id))
            .mappings()
            .one_or_none()
        )
        if row is None or owner not in {None, row["owner"]}:
            raise NotFoundError("There is no such report.")
        return Entry._of(row)

    def _update(self, write: sa.Connection, entry_id: str, values: dict[str, Any]) -> None:
        write.execute(_reports.update().where(_reports.c.id == entry_id).values(values))

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        # SQLite has one writer; waiting here costs less than its busy handler's sleeps.
        with self._writing, self._engine.begin() as connection:
            yield connection


def _note(write: sa.Connection, entry_id: str, at: float, state: str, note: str) -> None:
    write.execute(_events.insert(), {"report_id": entry_id, "at": at, "state": state, "note": note})


def _prepare(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
