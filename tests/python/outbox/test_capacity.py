"""capacity.py: a full outbox takes no more, says so, and knows what it took before."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.errors import FullError
from pyservice.outbox import capacity
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from tests.builders.outbox import PEOPLE, REPORT, accept, other, taken


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty one of each kind."""
    one = Database(database_url)
    yield one
    one.close()


def room_for(*, rows: int, size: int) -> Capacity:
    """One with these limits."""
    return Capacity(LiveSettings(Settings(outbox_max_waiting=rows, outbox_max_bytes=size)))


def limited(database: Database, *, rows: int = 1000, size: int = 10**9) -> Outbox:
    """An outbox with limits, which are nobody else's."""
    room = room_for(rows=rows, size=size)
    return Outbox(database, host="ci.example.com", node="node1", room=room)


def test_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third of two is refused, the first again is known, and what is sent makes room."""
    outbox = limited(database, rows=2)
    first = accept(outbox)
    accept(outbox, other(3))
    with pytest.raises(FullError, match="2 reports wait for Postfix, and OUTBOX_MAX_WAITING is 2"):
        accept(outbox, other(4))
    assert outbox.accept(REPORT, PEOPLE, owner="ci").result()[0].id == first.id
    entry = taken(outbox)
    outbox.sending(entry, b"bytes")
    outbox.settle(entry, state="accepted", note="250 ok")
    monkeypatch.setattr(capacity, "FRESH", 0.0)
    assert accept(outbox, other(4)).state == "received"
    outbox.close()


def test_bytes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports count, and so do their mails."""
    monkeypatch.setattr(capacity, "FRESH", 0.0)
    size = len(REPORT.model_dump_json().encode())
    outbox = limited(database, size=size + 1000)
    accept(outbox)
    entry = taken(outbox)
    with database.read() as read:
        assert not room_for(rows=9, size=size + 1).ask(read, 1)
    outbox.sending(entry, b"x" * 1000)
    with pytest.raises(FullError, match=f"{size + 1000} bytes wait .* OUTBOX_MAX_BYTES is"):
        accept(outbox, other(3))
    outbox.close()


def test_it_is_asked_once_a_second(database: Database) -> None:
    """Meanwhile what is accepted is counted in."""
    statements: list[str] = []
    sa.event.listen(
        database._engine, "before_cursor_execute", lambda *a: statements.append(str(a[2]))
    )
    room = room_for(rows=3, size=10**9)
    with database.read() as read:
        told = [room.ask(read, 10) for _ in range(5)]
    assert [bool(one) for one in told] == [False] * 3 + [True] * 2
    assert len([one for one in statements if "sum(" in one]) == 1


def test_it_is_answered_by_an_index(tmp_path: object) -> None:
    """No row is read for it: rows are large."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    query = (
        "EXPLAIN QUERY PLAN SELECT count(*), sum(size_bytes) FROM reports "
        "WHERE next_attempt_at IS NOT NULL"
    )
    with database.read() as read:
        plan = str(read.exec_driver_sql(query).all())
    database.close()
    assert "COVERING INDEX reports_next_attempt_at" in plan
