"""trouble.py: an outbox that can't be written is logged once, whatever runs into it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.config.settings import Settings
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause
from pyservice.outbox.trouble import MAX_REASONS, Trouble
from pyservice.postfix.log_watcher import LogWatcherLimits
from tests.builders.limits import AMPLE
from tests.builders.log_lines import LINE
from tests.builders.reports import build
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for

FULL = "database or disk is full"
LIMITS = replace(
    AMPLE,
    http=replace(AMPLE.http, readiness_age=0.0),
    log_watcher=LogWatcherLimits(pause=0.02, retry=0.02),
)


def error(reason: str) -> OperationalError:
    return OperationalError("insert", {}, Exception(reason))


@pytest.fixture
def fill() -> Iterator[Callable[[bool], None]]:
    """A function that makes all databases' disks full, or not."""
    is_full = [False]

    def refuse(*arguments: Any) -> None:
        if is_full[0] and not arguments[2].startswith(("SELECT", "PRAGMA", "BEGIN")):
            raise error(FULL)

    sa.event.listen(sa.Engine, "before_cursor_execute", refuse)
    yield lambda full: is_full.__setitem__(0, full)
    sa.event.remove(sa.Engine, "before_cursor_execute", refuse)


def test_a_full_disk_is_one_line(
    settings: Settings,
    postfix: PostfixStandIn,
    report: Json,
    tmp_path: Path,
    fill: Callable[[bool], None],
) -> None:
    """Callers, senders, the log watcher and checks all fail, and none of them logs a traceback."""
    log = tmp_path / "mail.log"
    log.touch()
    attempts: list[object] = []

    def fill_up(_: object) -> None:
        fill(True)
        postfix.data_hook = None
        attempts.append(None)

    postfix.data_hook = fill_up
    with (
        serve(settings.model_copy(update={"postfix_log": str(log)}), LIMITS) as client,
        capture_logs() as logs,
    ):
        under_way = [post(client, build(report, number)) for number in range(1, 6)]
        wait_for(lambda: bool(attempts))
        assert {status_of(client, build(report, number)) for number in range(6, 30)} == {503}
        log.write_text(LINE.format("smtp", "4Q0001", "removed") + "\n")
        assert client.get("/readyz").json()["checks"]["outbox"] == FULL
        client.get("/metrics")
        wait_for(lambda: repeated(client))
        troubles = [one for one in logs if one["log_level"] in {"warning", "error", "critical"}]
        assert [one["event"] for one in troubles] == ["outbox.error"]
        path = settings.outbox_url.removeprefix("sqlite:///")
        assert (troubles[0]["outbox"], troubles[0]["reason"]) == (path, FULL)
        fill(False)
        committed = [answer.json() for answer in under_way if answer.status_code == 202]
        for answer in committed:
            settled(client, answer)
    assert len(postfix.mails) == len(committed) > 0


def status_of(client: TestClient, body: Json) -> int:
    return int(post(client, body).status_code)


def repeated(client: TestClient) -> bool:
    """Whether the senders have tried to commit their results again and again."""
    database: Database = client.app.state.service.admin._database  # type: ignore[attr-defined]
    return database.trouble._unlogged >= 24 + 3


def test_each_reason_has_its_line() -> None:
    """Once in a pause, with the number of those that were left out since the last line."""
    seldom, always = Trouble("/var/outbox.db"), Trouble("/var/outbox.db", pause=0.0)
    with capture_logs() as logs:
        for trouble in (seldom, always):
            for reason in (FULL, FULL, FULL, "database is locked", FULL, "database is locked"):
                trouble.report(error(reason))
    lines = [(line["reason"], line["unlogged"]) for line in logs]
    assert lines[:2] == [(FULL, 0), ("database is locked", 2)]
    assert len(lines) == 2 + 6
    assert {line["outbox"] for line in logs} == {"/var/outbox.db"}
    for number in range(5 * MAX_REASONS):
        seldom.report(error(f"connection {number} is lost"))
    assert len(seldom._logged) <= MAX_REASONS


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("no host 'db': [Errno -2] Name or service not known", "Name or service not known"),
        ("connection refused\n\tIs the server running?", "refused Is the server running"),
        ("no route: [Errno 113] No route to host.", "no route: No route to host"),
    ],
)
def test_a_cause_fits_into_a_sentence(driver: str, words: str) -> None:
    """It has no number of the system's, and no second full stop follows."""
    reason = cause(OperationalError("SELECT 1", {}, Exception(driver)))
    assert reason.endswith(words)
    assert "Errno" not in reason
