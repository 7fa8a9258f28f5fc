"""postfix/backoff.py and log_watcher.py: when Postfix tries a deferred mail again."""

import os
import time
from datetime import datetime
from pathlib import Path

import pytest

from pyservice.config.settings import Settings
from pyservice.postfix.backoff import Backoff
from tests.builders.command import run
from tests.builders.limits import QUICK
from tests.builders.log_lines import LINE
from tests.python.conftest import Json, post, serve, settled, wait_for

DEFERRED = "to=<ada@example.com>, relay=none, delay={}, delays=0/0/1/0, dsn=4.3.0, {}"
LATER = "status=deferred (451 4.3.0 later)"


@pytest.fixture
def postconf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `postconf` of a node whose Postfix has its defaults."""
    program = tmp_path / "bin" / "postconf"
    program.parent.mkdir()
    write_script(program, "echo 300s; echo 4000s; echo 5m")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def write_script(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("age", "delay"), [(0, 300), (299, 300), (1000, 1000), (4000, 4000), (10**6, 4000)]
)
def test_next_try(postconf: Path, age: float, delay: float) -> None:
    """Postfix waits as long as the mail is in the queue, within bounds, and for the next scan."""
    assert Backoff().next_try(age, 100.0, 102.0) == (100 + delay, 102 + delay + 300)


@pytest.mark.parametrize(
    "script", ["exit 1", "echo 300s; echo 4000s", "echo a; echo b; echo c", "echo >&2 no; exit 127"]
)
def test_unknown_settings(postconf: Path, script: str) -> None:
    """No time is given where postconf fails, prints something else, or is missing."""
    write_script(postconf, script)
    assert Backoff().next_try(1, 2, 3) is None
    postconf.unlink()
    postconf.mkdir()
    assert Backoff(search_path=f"{postconf.parent}:/usr/bin:/bin").next_try(1, 2, 3) is None


def test_settings_are_read_again(postconf: Path) -> None:
    """A changed main.cf counts as soon as the values from before are too old, and not earlier."""
    lasting, expired = Backoff(), Backoff(settings_max_age=-1)
    assert lasting.next_try(0, 0, 0) == expired.next_try(0, 0, 0) == (300, 600)
    write_script(postconf, "echo 1h; echo 1d; echo 1")
    assert lasting.next_try(0, 0, 0) == (300, 600)
    assert expired.next_try(0, 0, 0) == (3600, 3601)


def test_deferred_mail_has_its_next_try(
    postconf: Path,
    settings: Settings,
    report: Json,
    tmp_path: Path,
) -> None:
    """Each deferral has its own next try, without a longer history; a success has none."""
    log = tmp_path / "mail.log"
    log.touch()

    def write(text: str) -> None:
        with log.open("a") as out:
            out.write(LINE.format("smtp", "4Q0001", text) + "\n")

    with serve(settings.model_copy(update={"postfix_log": str(log)}), QUICK) as client:
        answer = post(client, report).json()
        settled(client, answer)
        began = time.time()
        named = LINE.format("cleanup", "4Q0001", f"message-id={answer['message_id']}")
        log.write_text(f"{named}\n")
        write(DEFERRED.format(7, LATER))
        status = settled(client, answer, state="deferred")
        first = window(status)
        assert began - 1 + 300 <= first[0] <= time.time() + 300
        assert first[0] + 300 <= first[1] <= time.time() + 300 + 300
        shown = run("outbox", "show", answer["id"], NOTIFY_EMAIL_DATABASE_URL=settings.outbox_url)
        assert "451 4.3.0 later; next try between 20" in shown.stdout

        write(DEFERRED.format(2000, LATER))
        wait_for(lambda: window(client.get(answer["status_url"]).json()) != first)
        again = client.get(answer["status_url"]).json()
        assert window(again)[0] - first[0] >= 1700
        assert len(again["history"]) == len(status["history"])

        write(DEFERRED.format(2001, "status=sent (250 ok)"))
        [receipt] = settled(client, answer, state="relayed")["receipts"]
        assert (receipt["next_attempt_after"], receipt["next_attempt_before"]) == (None, None)


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
    """Return the times of the only receipt's next try."""
    [receipt] = status["receipts"]
    after, before = (
        datetime.fromisoformat(receipt[f"next_attempt_{which}"]).timestamp()
        for which in ("after", "before")
    )
    return after, before
