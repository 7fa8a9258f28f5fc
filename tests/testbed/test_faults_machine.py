"""What a machine can do to a service under load: all that was accepted arrives, once."""

import sys
import time

import pytest

from tests.testbed.disk import SmallDisk
from tests.testbed.machine_faults import IDLE, ROTATIONS, Clock, locked
from tests.testbed.network import BRIDGE
from tests.testbed.trial import HURRY, Trial
from tests.testbed.waiting import until


def test_it_is_told_to_stop_under_load(trial: Trial) -> None:
    """SIGTERM: it ends well before systemd would kill it, and its next start goes on."""
    trial.start()
    with trial.load():
        for _ in range(2):
            time.sleep(0.5)
            began = time.monotonic()
            assert trial.testbed.node.stop_service() == 0
            assert time.monotonic() - began < 25
            trial.restart()
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    assert not count.noted


def test_it_is_told_to_stop_while_postfix_hangs(trial: Trial) -> None:
    """It stops before Postfix replies; what Postfix takes after that is not sent again."""
    trial.start()
    trial.verdict("dot", "hang 30")
    assert trial.post()
    until(lambda: trial.is_hanging, "Postfix thinks about it")
    began = time.monotonic()
    assert trial.testbed.node.stop_service() == 0
    assert 4 < time.monotonic() - began < 25  # on a busy machine; else 5 s
    time.sleep(max(0.0, 31 - (time.monotonic() - began)))
    trial.restart()
    count = trial.count()
    assert count.arrived == count.sent == 1
    assert count.is_good


def test_the_disk_is_full(trial: Trial) -> None:
    """Callers are told so; what is under way is settled when there is room, and not sent again."""
    disk = SmallDisk(trial.testbed)
    trial.start(by=disk.by, database_url=f"sqlite:///{disk.folder}/outbox.db")
    trial.verdict("dot", "hang 10")
    under_way = trial.post(job="under-way")
    assert under_way
    until(lambda: trial.is_hanging, "Postfix thinks about it")
    began = time.monotonic()
    with trial.load():
        time.sleep(0.5)
        disk.fill()
        until(lambda: len(trial.refusals) > 5, "callers are refused")
        time.sleep(began + 12 - time.monotonic())  # Postfix' reply comes, and can't be committed
        assert trial.status(under_way)["state"] == "sending"
        disk.clear()
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    assert not count.noted
    assert trial.status(under_way)["attempts"] == 1
    assert {(one.status, one.retry_after) for one in trial.refusals} == {(503, "30")}
    assert all(
        "database or disk is full. The report was not accepted." in one.detail
        for one in trial.refusals
    )


def test_the_outbox_is_locked_for_a_moment(trial: Trial) -> None:
    """Callers wait, and nobody is refused."""
    trial.start()
    with trial.load():
        for _ in range(3):
            with locked(trial.testbed.node.folder / "outbox.db"):
                time.sleep(1)
            time.sleep(1)
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    assert not trial.refusals


def test_the_outbox_is_locked_for_long(trial: Trial) -> None:
    """Callers are told before they give up waiting, and then all goes on."""
    trial.start(hurry=HURRY | {"outbox.lock_timeout": 1.0})
    with trial.load(callers=10):
        time.sleep(0.5)
        with locked(trial.testbed.node.folder / "outbox.db"):
            time.sleep(4)
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    assert {(one.status, one.retry_after) for one in trial.refusals} == {(503, "30")}
    assert all("database is locked" in one.detail for one in trial.refusals)


def test_the_clock_goes_back_and_forth(trial: Trial) -> None:
    """Mails that wait while it is hours ahead or behind go soon after it is right again."""
    clock = Clock(trial.testbed.folder)
    trial.start(by=clock.by)
    trial.testbed.postfix.stop()
    for number, hours in enumerate((0, 6, -6), 1):
        clock.move(hours)
        answer = trial.post(job="clock", number=number)
        assert answer
        until(lambda: trial.status(answer)["error"], "it waits")  # noqa: B023
    clock.move(0)
    trial.testbed.postfix.start()
    count = trial.count()
    assert count.arrived == count.sent == 3
    assert count.is_good
    assert not count.noted


def test_there_are_no_file_descriptors_left(trial: Trial) -> None:
    """Idle connections take them all: who comes waits or is told, and all goes on after that."""
    trial.start(by=("prlimit", "--nofile=80:80", "--"))
    with trial.load():
        time.sleep(0.5)
        idle = trial.testbed.container.start(
            *(sys.executable, "-c", IDLE, BRIDGE, "8525", "100"),
            log=trial.testbed.folder / "idle.log",
        )
        time.sleep(5)
        idle.kill()
        idle.wait()
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    assert not count.noted
    assert {one.status for one in trial.refusals} <= {0, 503}


@pytest.mark.parametrize("way", ROTATIONS)
def test_the_log_is_rotated(trial: Trial, way: str) -> None:
    """While mails are delivered: every receipt arrives."""
    trial.start()
    with trial.load():
        for _ in range(3):
            time.sleep(0.7)
            ROTATIONS[way](trial.testbed.postfix)
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    assert not count.without_receipt
