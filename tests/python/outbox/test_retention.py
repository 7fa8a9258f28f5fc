"""retention.py: what ended long ago goes, while the service works on."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from pyservice.outbox.retention import DAY, Retention, shrink, sweep
from pyservice.outbox.tables import reports
from tests.builders.outbox import accept, opened, other
from tests.python.conftest import wait_for


def age(database: Database, entry_id: str, ended: float) -> None:
    """Let a report have ended at a time."""
    change = reports.update().where(reports.c.id == entry_id).values(ended_at=ended)
    database.write(lambda write: write.execute(change))


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """Five that ended 91 days ago, one that ended 89 days ago, and one that waits for long."""
    with opened(database_url, "node1") as one:
        for number in range(1, 7):
            entry = accept(one, other(number), hold=True)
            one.start_attempt(entry, b"x" * 20_000)
            one.finish_attempt(entry, state="accepted", note="250 ok")
            ended = time.time() - (91 if number < 6 else 89) * DAY
            age(one._database, entry.id, ended)
        accept(one, other(7))
        yield one


def keeping(days: int, *, size: int = 0) -> LiveSettings:
    """Settings with this RETENTION_DAYS, and this RETENTION_BYTES."""
    return LiveSettings(Settings(retention_days=days, retention_bytes=size))


def count(database: Database) -> int:
    """How many reports there are."""
    with database.read() as read:
        return len(read.execute(reports.select()).all())


@pytest.mark.parametrize(("days", "left"), [(90, 2), (0, 7), (1, 1)])
def test_by_age(outbox: Outbox, days: int, left: int) -> None:
    """Days after the end count; 0 is for ever."""
    upkeep = Retention(outbox._database, keeping(days))
    upkeep.start()
    if days:
        wait_for(lambda: count(outbox._database) == left)
    time.sleep(0.2)
    upkeep.stop()
    assert count(outbox._database) == left


def test_in_batches(outbox: Outbox) -> None:
    """Between two commits others can write, and the caller can end it."""
    waits: list[float] = []
    before = time.time() - 90 * DAY

    def enough(seconds: float) -> bool:
        waits.append(seconds)
        return True

    assert sweep(outbox._database, before, enough, batch_size=2, pause=0.07) == 2
    assert waits == [0.07]
    assert sweep(outbox._database, before, lambda _: None, batch_size=2) == 3


def test_by_size(outbox: Outbox) -> None:
    """The reports that ended first go until the others fit; what waits is not counted."""
    database = outbox._database
    with database.read() as read:
        query = sa.select(reports.c.id, reports.c.size_bytes).order_by(reports.c.ended_at)
        ended = read.execute(query.where(reports.c.ended_at.is_not(None))).all()
    sizes = [row.size_bytes for row in ended]
    upkeep = Retention(database, keeping(0, size=sum(sizes[3:]) + 10))
    upkeep.start()
    wait_for(lambda: count(database) == 4)
    upkeep.stop()
    with database.read() as read:
        left = set(read.execute(sa.select(reports.c.id)).scalars())
    assert left >= {row.id for row in ended[3:]}
    assert shrink(database, sum(sizes[3:]), lambda _: None) == 0
    assert shrink(database, 0, lambda _: None) == 3
    assert count(database) == 1


def test_by_size_in_batches(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit removes few bytes, whatever the reports have: others can write in between."""
    monkeypatch.setattr("pyservice.outbox.retention.BATCH_BYTES", 1)
    left: list[int] = []

    def wait(_: float) -> None:
        left.append(count(outbox._database))

    assert shrink(outbox._database, 0, wait) == 6
    assert left[:6] == [6, 5, 4, 3, 2, 1]


def test_sizes_are_summed_in_an_index(tmp_path: Path) -> None:
    """The sum reads no row: rows are large."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    query = "SELECT sum(size_bytes) FROM reports WHERE ended_at IS NOT NULL"
    with database.read() as read:
        plan = str(read.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
    database.close()
    assert "COVERING INDEX reports_ended_at" in plan


def test_two_services_sweep_at_once(shared_url: str) -> None:
    """Neither waits for the other, nor fails."""
    with opened(shared_url, "node1") as one, opened(shared_url, "node2") as two:
        for number in range(1, 21):
            entry = accept(one, other(number), hold=True)
            one.finish_attempt(entry, state="failed", note="no")
        removed: list[int] = []

        def work(outbox: Outbox) -> None:
            removed.append(sweep(outbox._database, time.time(), lambda _: None, batch_size=2))

        threads = [threading.Thread(target=work, args=(outbox,)) for outbox in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(removed) == 20


def test_damage_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    monkeypatch.setattr(database, "look_for_damage", lambda: "page 7 is damaged")
    upkeep = Retention(database, keeping(90))
    with capture_logs() as logs:
        upkeep.start()
        wait_for(lambda: bool(logs))
    upkeep.stop()
    database.close()
    assert (logs[0]["event"], logs[0]["log_level"]) == ("outbox.damaged", "error")
    assert logs[0]["reason"] == "page 7 is damaged"


def test_a_locked_database_is_tried_again(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is logged, and the next round does the work."""
    failing = [sa.exc.OperationalError("delete", {}, Exception("database is locked"))]
    real = outbox._database.write

    def write(work: object) -> object:
        if failing:
            raise failing.pop()
        return real(work)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox._database, "write", write)
    upkeep = Retention(outbox._database, keeping(90), interval=0.05)
    with capture_logs() as logs:
        upkeep.start()
        wait_for(lambda: count(outbox._database) == 2)
    upkeep.stop()
    assert ("outbox.error", "database is locked") in [
        (log["event"], log.get("reason")) for log in logs
    ]
