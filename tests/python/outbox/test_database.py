"""database.py and migrations/: every older outbox becomes this version's, and can go back."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pyservice.errors import ConfigurationError, SetupError
from pyservice.outbox.database import Database, Schema
from pyservice.outbox.migrations import VERSIONS, configuration, downgrade, upgrade
from pyservice.outbox.search import Filter, find
from pyservice.outbox.tables import SCHEMA_VERSION, metadata, reports
from pyservice.outbox.write_queue import WriteQueue
from tests.builders.outbox import accept, opened, other
from tests.builders.patience import HANG, PATIENCE
from tests.python.conftest import wait_for

NEXT = "0006"


@pytest.fixture
def next_schema(tmp_path: Path) -> Schema:
    """The schema of a version after this one, which the tests bring."""
    versions = tmp_path / "versions"
    shutil.copytree(VERSIONS, versions, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parent / "migrations" / f"{NEXT}_priority.py", versions)
    return Schema(NEXT, versions)


def filled(url: str) -> tuple[str, str]:
    """An outbox with two reports: one waits, one has ended; their IDs."""
    with opened(url, "node1") as outbox:
        waits, ended = accept(outbox), accept(outbox, other(3), hold=True)
        outbox.start_attempt(ended, b"bytes")
        outbox.finish_attempt(ended, state="accepted", note="250 ok", queue_id="4Q1")
    return waits.id, ended.id


def columns(url: str) -> set[str]:
    """Those of the reports."""
    engine = sa.create_engine(url)
    names = {column["name"] for column in sa.inspect(engine).get_columns("reports")}
    engine.dispose()
    return names


def check_filled(url: str, waits: str, ended: str) -> None:
    """Nothing of `filled` is lost, and what waits is still to be sent."""
    with opened(url, "node1") as outbox:
        taken = outbox.claim(5)
        assert [entry.id for entry in taken] == [waits]
        outbox.release(*taken)
        entry, history = outbox.get(ended, owner="ci")
        assert (entry.state, entry.queue_id, entry.mail) == ("accepted", "4Q1", b"bytes")
        assert [event.state for event in history] == ["received", "queued", "sending", "accepted"]


def test_an_older_outbox_goes_on(database_url: str, next_schema: Schema) -> None:
    """A newer service upgrades the tables at its start, and an older one gets them back."""
    waits, ended = filled(database_url)
    Database(database_url, next_schema).close()
    assert "priority" in columns(database_url)
    Database(database_url, next_schema).close()  # there is nothing left to upgrade
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        assert set(connection.execute(sa.text("SELECT priority FROM reports")).scalars()) == {7}
        downgrade(connection, SCHEMA_VERSION, next_schema.versions)
    engine.dispose()
    assert "priority" not in columns(database_url)
    check_filled(database_url, waits, ended)


def test_reports_of_an_older_outbox_are_found(database_url: str) -> None:
    """By recipient and by job: what they are searched by was not kept then."""
    waits, ended = filled(database_url)
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        downgrade(connection, "0002")
    engine.dispose()
    with opened(database_url, "node1") as outbox, outbox._database.read() as read:
        for wanted in (Filter(recipient="b@x.org"), Filter(text="Shop/CHECKOUT #")):
            assert {one.id for one in find(read, wanted, 9)} == {waits, ended}


def test_mails_of_an_older_outbox_are_found_by_their_subjects(database_url: str) -> None:
    """As their readers see them; a report without a mail has none."""
    encoded = b"Subject: =?utf-8?q?Failed=3A_shop_=C2=BB_?=\r\n =?utf-8?q?checkout_=232?=\r\n\r\n"
    with opened(database_url, "node1") as outbox:
        accept(outbox, other(7))
        sent = accept(outbox, hold=True)
        outbox.start_attempt(sent, b"To: " + b"a@x.org, " * 5000 + b"\r\n" + encoded + b"body" * 9)
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        downgrade(connection, "0004")
        names = {one["name"] for one in sa.inspect(connection).get_columns("search_texts")}
        assert names == {"report_id", "recipients", "words"}
    engine.dispose()
    with opened(database_url, "node1") as outbox, outbox._database.read() as read:
        found = find(read, Filter(text="failed: Shop » checkout"), 9)
        assert [one.id for one in found] == [sent.id]
        assert find(read, Filter(text="Subject"), 9) == []


def test_an_upgrade_that_fails_changes_nothing(database_url: str, next_schema: Schema) -> None:
    """The tables stay at their version, and the service of that version goes on."""
    waits, ended = filled(database_url)
    file = next(next_schema.versions.glob(f"{NEXT}_*"))
    file.write_text(
        file.read_text().replace('op.drop_index("reports_ended_at"', "op.drop_index('no'")
    )
    with pytest.raises(ConfigurationError, match="can't be used"):
        Database(database_url, next_schema)
    assert "priority" not in columns(database_url)
    check_filled(database_url, waits, ended)


def test_an_outbox_of_no_release(database_url: str) -> None:
    """Tables without a version are left alone, and the error says what to do."""
    filled(database_url)
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
    with pytest.raises(ConfigurationError, match=r"unreleased notify-email.*move it away"):
        Database(database_url)


def test_migrated_and_new_are_the_same(database_url: str) -> None:
    """The migrations end where the tables of a new outbox begin."""
    Database(database_url).close()
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        downgrade(connection, "base")
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
        upgrade(connection, "base")
        differing = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differing == []
    assert ScriptDirectory.from_config(configuration(connection)).get_heads() == [SCHEMA_VERSION]


def test_migrations_stay_as_they_are() -> None:
    """They use nothing of the service: what changes there must not change what they did."""
    using = [file.name for file in VERSIONS.glob("*.py") if "pyservice" in file.read_text()]
    assert using == []


def test_a_newer_outbox_is_left_alone(database_url: str) -> None:
    """An older service says whose it is."""
    Database(database_url).close()
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(ConfigurationError, match="newer notify-email's"):
        Database(database_url)


def test_one_service_has_a_file(tmp_path: Path) -> None:
    """A second process gets an error, instead of sending everything twice."""
    first = Database(f"sqlite:///{tmp_path}/deep/outbox.db")
    with pytest.raises(ConfigurationError, match="belongs to a service that is running"):
        Database(f"sqlite:///{tmp_path}/deep/outbox.db")
    assert (tmp_path / "deep" / "outbox.db").stat().st_mode & 0o077 == 0  # it holds names and logs
    first.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """The error has its name, and it stays as it is."""
    file = tmp_path / "outbox.db"
    file.write_bytes(b"precious" * 1000)
    with pytest.raises(ConfigurationError, match="not a database"):
        Database(f"sqlite:///{file}")
    assert file.read_bytes() == b"precious" * 1000


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """The error has its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be used"):
        Database(f"sqlite:///{tmp_path}/file/outbox.db")


def test_check(database_url: str) -> None:
    """Says nothing while it can be written."""
    database = Database(database_url)
    database.check()
    database.close()


def test_a_server_that_is_not_there() -> None:
    """It is named, without its password."""
    with pytest.raises(ConfigurationError) as caught:
        Database("postgresql+psycopg://me:secret@127.0.0.1:1/outbox")
    assert "postgresql+psycopg://me:***@127.0.0.1:1/outbox can't be used" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_writes_share_a_commit_and_not_a_failure(tmp_path: Path) -> None:
    """One write of a batch fails alone, and the others are committed."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    failed: list[BaseException] = []

    def work(number: int) -> None:
        row = {"node": None if number == 7 else str(number), "position": ""}
        statement = metadata.tables["log_positions"].insert().values(row)
        try:
            database.write(lambda write: write.execute(statement))
        except sa.exc.IntegrityError as error:
            failed.append(error)

    while_the_disk_is_busy(database, [partial(work, number) for number in range(20)])
    with database.read() as read:
        count = read.execute(sa.text("SELECT count(*) FROM log_positions")).scalar()
    database.close()
    assert (count, len(failed)) == (19, 1)


def test_a_group_is_one_commit(tmp_path: Path) -> None:
    """What waits while the disk is busy is written at once."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    commits: list[None] = []
    sa.event.listen(database._engine, "commit", lambda _: commits.append(None))
    while_the_disk_is_busy(database, [partial(database.write, lambda _: None)] * 9)
    database.close()
    assert len(commits) == 2


def while_the_disk_is_busy(database: Database, works: list[Callable[[], object]]) -> None:
    """Let all of them wait for one commit, and then run to their ends."""
    begun, go_on = threading.Event(), threading.Event()

    def busy(_: sa.Connection) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    every: list[Callable[[], object]] = [partial(database.write, busy), *works]
    threads = [threading.Thread(target=work) for work in every]
    threads[0].start()
    assert begun.wait(PATIENCE)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: database._writer._waiting.qsize() == len(works))
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)


def test_a_guest(database_url: str) -> None:
    """It reads and writes beside the service, and each sees what the other writes."""
    with opened(database_url, "node1") as outbox:
        guest = Database.guest(database_url)
        assert guest is not None
        entry = accept(outbox)
        with guest.read() as read:
            assert read.execute(sa.select(reports.c.id)).scalars().all() == [entry.id]
        change = reports.update().values(error="seen")
        guest.write(lambda write: write.execute(change))
        assert outbox.get(entry.id, owner="ci")[0].error == "seen"
        guest.close()


def test_roots_guest_locks_nobody_out(tmp_path: Path) -> None:
    """What SQLite makes beside the file belongs to the file's owner, not to who runs a command."""
    nobody = 65534
    file = tmp_path / "outbox.db"
    Database(f"sqlite:///{file}").close()
    os.chown(file, nobody, nobody)
    guest = Database.guest(f"sqlite:///{file}")
    assert guest is not None
    guest.check()
    made = [file.with_name(f"outbox.db-{name}").stat() for name in ("wal", "shm")]
    guest.close()
    assert [(one.st_uid, one.st_mode & 0o777) for one in made] == [(nobody, 0o600)] * 2


def test_a_guest_makes_nothing(database_url: str, tmp_path: Path) -> None:
    """Where there is no outbox, there is none after it has looked."""
    assert Database.guest(database_url) is None
    assert list(tmp_path.iterdir()) == []
    if database_url.startswith("sqlite"):
        file = tmp_path / "deep" / "outbox.db"
        file.parent.mkdir()
        file.touch()
        assert Database.guest(database_url) is None
        file.write_bytes(b"precious" * 1000)
        with pytest.raises(SetupError, match="not a database"):
            Database.guest(database_url)


def test_a_guest_of_another_version(database_url: str, next_schema: Schema) -> None:
    """It changes nothing, and says what to do."""
    filled(database_url)
    with pytest.raises(SetupError, match="start this one's service first"):
        Database.guest(database_url, next_schema)
    assert "priority" not in columns(database_url)


def test_what_is_read_to_be_written_is_not_changed_in_between(database_url: str) -> None:
    """A guest waits for the service's commit, and the service for the guest's."""
    with opened(database_url, "node1") as outbox:
        entry = accept(outbox)
        guest = Database.guest(database_url)
        assert guest is not None
        error = sa.select(reports.c.error).where(reports.c.id == entry.id).with_for_update()

        def add(write: sa.Connection) -> None:
            before = write.execute(error).scalar() or ""
            time.sleep(0.001)
            write.execute(reports.update().values(error=f"{before}x"))

        def work(database: Database) -> None:
            for _ in range(50):
                database.write(add)

        threads = [threading.Thread(target=work, args=(one,)) for one in (guest, outbox._database)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        guest.close()
        assert outbox.get(entry.id, owner="ci")[0].error == "x" * 100


def test_damage_is_found(tmp_path: Path) -> None:
    """By reading the file through; `check` tells it from then on."""
    url = f"sqlite:///{tmp_path}/outbox.db"
    with opened(url, "node1") as outbox:
        for number in range(1, 20):
            accept(outbox, other(number))
        with outbox._database.read() as read:
            page = read.exec_driver_sql(
                "SELECT rootpage FROM sqlite_master WHERE name = 'ix_events_report_id'"
            ).scalar_one()
            size = read.exec_driver_sql("PRAGMA page_size").scalar_one()
    with (tmp_path / "outbox.db").open("r+b") as file:
        file.seek((page - 1) * size + 100)
        file.write(b"\xff" * (size - 100))
    database = Database(url)
    database.check()
    assert f"{tmp_path}/outbox.db is damaged" in database.look_for_damage()
    with pytest.raises(OSError, match="is damaged"):
        database.check()
    database.close()


def test_a_sound_database_has_no_damage(database_url: str) -> None:
    """Of either kind."""
    with opened(database_url, "node1") as outbox:
        accept(outbox)
        assert outbox._database.look_for_damage() == ""
        outbox._database.check()


def test_unused_pages_are_given_back(tmp_path: Path) -> None:
    """So many at once, until the file is small again."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    row = {"node": "n", "position": "x" * 1_000_000}
    database.write(
        lambda write: write.execute(metadata.tables["log_positions"].insert().values(row))
    )
    database.write(lambda write: write.execute(metadata.tables["log_positions"].delete()))
    left = database.give_back(50)
    assert left > 100
    assert database.give_back(50) == left - 50
    while database.give_back(50):
        pass
    with database.read() as read:
        pages = read.exec_driver_sql("PRAGMA page_count").scalar_one()
    assert pages < 50
    database.close()


def test_without_unused_pages_nothing_is_given_back(tmp_path: Path) -> None:
    """It costs a few statements only: other writes wait for them."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    statements: list[str] = []

    @sa.event.listens_for(database._engine, "before_cursor_execute")
    def keep(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    assert database.give_back(500) == 0
    assert statements == ["BEGIN IMMEDIATE", "PRAGMA freelist_count"]
    database.close()


def test_while_another_process_has_locked_it(tmp_path: Path) -> None:
    """Writes that wait together fail together, and not one after the other."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db", lock_timeout=1)
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    errors: list[str] = []
    waits: list[str] = []

    @sa.event.listens_for(database._engine, "before_cursor_execute")
    def keep(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        waits.append(statement)

    def work() -> None:
        try:
            database.write(lambda _: None)
        except sa.exc.OperationalError as error:
            errors.append(str(error.orig))

    other.execute("BEGIN EXCLUSIVE")
    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= waits.count("BEGIN IMMEDIATE") < 10, "and not 20 times a second"
    assert errors == ["database is locked"] * 20
    other.execute("ROLLBACK")
    other.close()
    database.check()
    database.close()


def test_a_write_that_stands_back_is_committed_with_the_next_one() -> None:
    """It waits for company, and no longer than it has to: one for which somebody waits ends it."""
    commits: list[list[int]] = []

    def note(_: sa.Connection, items: Sequence[int]) -> list[int]:
        commits.append(list(items))
        return list(items)

    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    queue = WriteQueue(engine.connect, lambda _: None, keep=True, gather_time=HANG)
    first = queue.submit(note, 1, stands_back=True)
    second = queue.submit(note, 2, stands_back=True)
    assert queue.submit(note, 3).result(PATIENCE) == 3
    assert (first.result(0), second.result(0)) == (1, 2)
    assert commits == [[1, 2, 3]]
    last = queue.submit(note, 4, stands_back=True)
    queue.close()
    assert last.result(0) == 4


def test_a_write_that_stands_back_does_not_wait_for_company_that_never_comes() -> None:
    """It is committed alone after its time."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    queue = WriteQueue(engine.connect, lambda _: None, keep=True, gather_time=0.01)
    done = queue.submit(lambda _, items: list(items), 1, stands_back=True)
    assert done.result(PATIENCE) == 1
    queue.close()
