"""backoff.py and log_watcher.py: when Postfix tries a deferred mail again, where that is known."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from pyservice.config.settings import Settings
from pyservice.postfix import backoff, log_watcher
from pyservice.postfix.backoff import Backoff
from tests.builders.command import run
from tests.builders.log_lines import LINE
from tests.python.conftest import Json, post, serve, settled, wait_for

DEFERRED = "to=<ada@example.com>, relay=none, delay={}, delays=0/0/1/0, dsn=4.3.0, {}"
LATER = "status=deferred (451 4.3.0 later)"


@pytest.fixture
def postconf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's, which says what a test says; Postfix' own defaults."""
    program = tmp_path / "postconf"
    says(program, "echo 300s; echo 4000s; echo 5m")
    monkeypatch.setattr(backoff, "_PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def says(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("age", "delay"), [(0, 300), (299, 300), (1000, 1000), (4000, 4000), (10**6, 4000)]
)
def test_as_postfix_does(postconf: Path, age: float, delay: float) -> None:
    """As long as it was there already, within bounds, and until the queue is looked at."""
    assert Backoff().next_try(age, 100.0, 102.0) == (100 + delay, 102 + delay + 300)


@pytest.mark.parametrize(
    "script", ["exit 1", "echo 300s; echo 4000s", "echo a; echo b; echo c", "echo >&2 no; exit 127"]
)
def test_what_is_not_known_is_not_told(postconf: Path, script: str) -> None:
    """A Postfix that can't be asked, or one of the future."""
    says(postconf, script)
    assert Backoff().next_try(1, 2, 3) is None
    postconf.unlink()
    postconf.with_name("postconf").mkdir()
    assert Backoff().next_try(1, 2, 3) is None


def test_it_is_asked_now_and_then(postconf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed main.cf counts before long; not each line asks."""
    habits = Backoff()
    assert habits.next_try(0, 0, 0) == (300, 600)
    says(postconf, "echo 1h; echo 1d; echo 1")
    assert habits.next_try(0, 0, 0) == (300, 600)
    monkeypatch.setattr(backoff, "FRESH", -1.0)
    assert habits.next_try(0, 0, 0) == (3600, 3601)


def test_told(
    postconf: Path,
    settings: Settings,
    report: Json,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each deferral has its own next try, without a longer history; a success has none."""
    monkeypatch.setattr(log_watcher, "PAUSE", 0.02)
    log = tmp_path / "mail.log"
    log.touch()

    def write(*told: str) -> None:
        with log.open("a") as out:
            out.writelines(LINE.format("smtp", "4Q0001", one) + "\n" for one in told)

    with serve(settings.model_copy(update={"postfix_log": str(log)})) as client:
        answer = post(client, report).json()
        settled(client, answer)
        began = time.time()
        named = LINE.format("cleanup", "4Q0001", f"message-id={answer['message_id']}")
        log.write_text(f"{named}\n")
        write(DEFERRED.format(7, LATER))
        status = settled(client, answer, state="deferred")
        first = window(status)
        assert began - 1 + 300 <= first[0] <= time.time() + 300
        assert 300 <= first[1] - first[0] < 303
        shown = run("outbox", "show", answer["id"], NOTIFY_EMAIL_DATABASE_URL=settings.outbox_url)
        assert "451 4.3.0 later; next try between 20" in shown.stdout

        write(DEFERRED.format(2000, LATER))
        wait_for(lambda: window(client.get(answer["status_url"]).json()) != first)
        again = client.get(answer["status_url"]).json()
        assert window(again)[0] - first[0] >= 1700
        assert len(again["history"]) == len(status["history"])

        write(DEFERRED.format(2001, "status=sent (250 ok)"))
        [receipt] = settled(client, answer, state="relayed")["receipts"]
        assert (receipt["next_try_after"], receipt["next_try_before"]) == (None, None)


def test_a_service_that_was_away_knows_less(
    postconf: Path, settings: Settings, report: Json, tmp_path: Path
) -> None:
    """What was logged meanwhile may be as old as its last look: the times are further apart."""
    log = tmp_path / "mail.log"
    log.touch()
    with serve(settings.model_copy(update={"postfix_log": str(log)})) as client:
        answer = post(client, report).json()
        settled(client, answer)
        with log.open("a") as out:
            named = f"message-id={answer['message_id']}"
            out.write(LINE.format("cleanup", "4Q0001", named) + "\n")
        time.sleep(1)
        ended = time.time()
    time.sleep(1.5)
    with log.open("a") as out:
        out.write(LINE.format("smtp", "4Q0001", DEFERRED.format(7, LATER)) + "\n")
    with serve(settings.model_copy(update={"postfix_log": str(log)})) as client:
        after, before = window(settled(client, answer, state="deferred"))
    assert after <= ended + 300
    assert before - after >= 300 + 1.5


def window(status: Json) -> tuple[float, float]:
    """Of the only receipt."""
    [receipt] = status["receipts"]
    after, before = (
        datetime.fromisoformat(receipt[f"next_try_{which}"]).timestamp()
        for which in ("after", "before")
    )
    return after, before
