"""Two services share a PostgreSQL, and one dies, or both lose it: all arrives."""

import time

import sqlalchemy as sa

from tests.python.conftest import (  # noqa: F401 - fixtures
    PostgreSQL,
    postgresql,
    postgresql_server,
    shared_url,
)
from tests.testbed.network import CONTAINER
from tests.testbed.trial import HURRY, Trial

_OWN_NAME = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


def start_two(trial: Trial, url: str) -> None:
    """On two nodes with names, Postfixes and containers of their own."""
    other = trial.testbed.add_node()
    trial.sites.append((other, trial.testbed.add_container(other, CONTAINER)))
    for number, (node, _) in enumerate(trial.sites, 1):
        by = (*_OWN_NAME, f"node{number}")
        trial.start(node, by=by, hurry=HURRY | {"outbox.lease": 3.0}, database_url=url)


def test_one_of_two_is_killed(trial: Trial, shared_url: str) -> None:  # noqa: F811
    """The other one takes over; what is doubled for that is said to be."""
    start_two(trial, shared_url)
    other = trial.sites[1][0]
    with trial.load(callers=4):
        for _ in range(3):
            time.sleep(1)
            trial.restart(other, kill=True)
    found = trial.count()
    other.stop_service()
    other.postfix.stop()
    assert found.arrived == found.sent > 5
    assert found.is_good


def test_their_connections_are_cut(trial: Trial, shared_url: str) -> None:  # noqa: F811
    """Callers are told to come again, and both go on."""
    start_two(trial, shared_url)
    other = trial.sites[1][0]
    engine = sa.create_engine(shared_url)
    with trial.load(callers=4):
        for _ in range(8):
            time.sleep(0.4)
            with engine.connect() as connection:
                connection.exec_driver_sql(_CUT)
    engine.dispose()
    found = trial.count()
    other.stop_service()
    other.postfix.stop()
    assert found.arrived == found.sent > 5
    assert found.is_good
    assert {one.status for one in trial.refusals} <= {503}


def test_their_server_is_away(
    trial: Trial,
    shared_url: str,  # noqa: F811
    postgresql_server: PostgreSQL,  # noqa: F811
) -> None:
    """Callers are told to come again for as long, and then both go on."""
    start_two(trial, shared_url)
    other = trial.sites[1][0]
    with trial.load(callers=4):
        time.sleep(1)
        postgresql_server.stop()
        time.sleep(5)
        postgresql_server.start()
        time.sleep(2)
    found = trial.count()
    other.stop_service()
    other.postfix.stop()
    assert found.arrived == found.sent > 5
    assert found.is_good
    assert {(one.status, one.retry_after) for one in trial.refusals} == {(503, "30")}
