"""database.py and migrations/: every older outbox becomes this version's, and can go back."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pyservice.database import Database
from pyservice.entries import SCHEMA_VERSION, metadata
from pyservice.errors import ConfigurationError
from pyservice.migrations import configuration, downgrade, upgrade

from .test_outbox import accept, opened, other


def filled(url: str) -> tuple[str, str]:
    """An outbox of the version before with two reports: one waits, one has ended; their IDs."""
    with opened(url, "node1") as outbox:
        waits, ended = accept(outbox), accept(outbox, other(3), hold=True)
        outbox.sending(ended, b"bytes")
        outbox.settle(ended, state="accepted", note="250 ok", queue_id="4Q1")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        downgrade(connection, "0001")
    engine.dispose()
    return waits.id, ended.id


def columns(url: str) -> set[str]:
    """Those of the reports."""
    engine = sa.create_engine(url)
    found = {column["name"] for column in sa.inspect(engine).get_columns("reports")}
    engine.dispose()
    return found


@pytest.mark.parametrize("has_version", [True, False])
def test_an_older_outbox_goes_on(database_url: str, has_version: bool) -> None:
    """Nothing is lost on the way here; the first one had no version's table."""
    waits, ended = filled(database_url)
    assert not columns(database_url) & {"holder", "node"}
    if not has_version:
        engine = sa.create_engine(database_url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
        engine.dispose()
    with opened(database_url, "node1") as outbox:
        assert [entry.id for entry in outbox.take(5)] == [waits]
        entry, history = outbox.get(ended, owner="ci")
        assert (entry.state, entry.queue_id, entry.mail) == ("accepted", "4Q1", b"bytes")
        assert [event.state for event in history] == ["received", "queued", "sending", "accepted"]
    assert columns(database_url) >= {"holder", "node", "ended"}


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
    """A second process is told so, instead of sending everything twice."""
    first = Database(f"sqlite:///{tmp_path}/deep/outbox.db")
    with pytest.raises(ConfigurationError, match="belongs to a service that is running"):
        Database(f"sqlite:///{tmp_path}/deep/outbox.db")
    assert (tmp_path / "deep" / "outbox.db").stat().st_mode & 0o077 == 0  # it holds names and logs
    first.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Is told by name, and left as it is."""
    file = tmp_path / "outbox.db"
    file.write_bytes(b"precious" * 1000)
    with pytest.raises(ConfigurationError, match="not a database"):
        Database(f"sqlite:///{file}")
    assert file.read_bytes() == b"precious" * 1000


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """Is told by name."""
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
    """Of many at once the one that fails is told so, and the others are committed."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    begun, go_on = threading.Event(), threading.Event()

    def slow(write: sa.Connection) -> None:
        begun.set()
        go_on.wait(10)

    failed: list[BaseException] = []

    def work(number: int) -> None:
        row = {"node": None if number == 7 else str(number), "mark": ""}
        statement = metadata.tables["positions"].insert().values(row)
        try:
            database.write(lambda write: write.execute(statement))
        except sa.exc.IntegrityError as error:
            failed.append(error)

    threads = [threading.Thread(target=database.write, args=(slow,))]
    threads[0].start()
    assert begun.wait(10)
    threads += [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads[1:]:
        thread.start()
    while len(database._waiting) < 20:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    with database.read() as read:
        count = read.execute(sa.text("SELECT count(*) FROM positions")).scalar()
    database.close()
    assert (count, len(failed)) == (19, 1)


def test_a_group_is_one_commit(tmp_path: Path) -> None:
    """What waits while the disk is busy is written at once."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    commits: list[None] = []
    sa.event.listen(database._engine, "commit", lambda _: commits.append(None))
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: sa.Connection) -> None:
        begun.set()
        go_on.wait(10)

    threads = [threading.Thread(target=database.write, args=(slow,))]
    threads[0].start()
    assert begun.wait(10)
    threads += [threading.Thread(target=database.write, args=(lambda _: None,)) for _ in range(9)]
    for thread in threads[1:]:
        thread.start()
    while len(database._waiting) < 9:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    database.close()
    assert len(commits) == 2
