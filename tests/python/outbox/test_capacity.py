"""capacity.py: a full outbox refuses new reports, says why, and still knows the accepted ones."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.errors import OutboxFullError
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from tests.builders.outbox import PEOPLE, REPORT, accept, other, taken


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database of each kind."""
    one = Database(database_url)
    yield one
    one.close()


def capacity_of(*, rows: int, size: int, count_every: float = 0.0) -> Capacity:
    """Return a capacity with these limits."""
    live = LiveSettings(Settings(outbox_max_waiting=rows, outbox_max_bytes=size))
    return Capacity(live, count_every=count_every)


def limited(database: Database, *, rows: int = 1000, size: int = 10**9) -> Outbox:
    """Return an outbox with limits of its own."""
    capacity = capacity_of(rows=rows, size=size)
    return Outbox(database, host="ci.example.com", node="node1", capacity=capacity)


def test_rows(database: Database) -> None:
    """The third of two reports is refused, and accepted once another one is sent."""
    outbox = limited(database, rows=2)
    first = accept(outbox)
    accept(outbox, other(3))
    with pytest.raises(
        OutboxFullError,
        match="2 reports wait for Postfix, and NOTIFY_EMAIL_OUTBOX_MAX_WAITING is 2",
    ):
        accept(outbox, other(4))
    assert outbox.accept(REPORT, PEOPLE, owner="ci").result()[0].id == first.id
    entry = taken(outbox)
    outbox.start_attempt(entry, b"bytes")
    outbox.finish_attempt(entry, state="accepted", note="250 ok")
    assert accept(outbox, other(4)).state == "received"
    outbox.close()


def test_bytes(database: Database) -> None:
    """The bytes of reports and of their mails are counted."""
    size = len(REPORT.model_dump_json().encode())
    outbox = limited(database, size=size + 1000)
    accept(outbox)
    entry = taken(outbox)
    with database.read() as read:
        assert not capacity_of(rows=9, size=size + 1).reserve(read, 1)
    outbox.start_attempt(entry, b"x" * 1000)
    with pytest.raises(
        OutboxFullError, match=f"{size + 1000} bytes wait .* NOTIFY_EMAIL_OUTBOX_MAX_BYTES is"
    ):
        accept(outbox, other(3))
    outbox.close()


def test_rows_are_counted_once_a_second(database: Database) -> None:
    """In between, each accepted report is added to the count."""
    statements: list[str] = []
    sa.event.listen(
        database._engine, "before_cursor_execute", lambda *a: statements.append(str(a[2]))
    )
    capacity = capacity_of(rows=3, size=10**9, count_every=1.0)
    with database.read() as read:
        reasons = [capacity.reserve(read, 10) for _ in range(5)]
    assert [bool(reason) for reason in reasons] == [False] * 3 + [True] * 2
    assert len([statement for statement in statements if "sum(" in statement]) == 1


def test_rows_are_counted_in_an_index(tmp_path: object) -> None:
    """The count reads no row: rows are large."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    query = (
        "EXPLAIN QUERY PLAN SELECT count(*), sum(size_bytes) FROM reports "
        "WHERE next_attempt_at IS NOT NULL"
    )
    with database.read() as read:
        plan = str(read.exec_driver_sql(query).all())
    database.close()
    assert "COVERING INDEX reports_next_attempt_at" in plan
