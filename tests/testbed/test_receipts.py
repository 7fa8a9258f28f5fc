"""The delivery status of mails behind the real Postfix, from its log."""

import sys
from datetime import datetime
from typing import Any

import pytest

from tests.builders.reports import report_of
from tests.testbed.network import ROOT, Testbed
from tests.testbed.node import LAUNCHER
from tests.testbed.waiting import until

LOSSY = 2525


def start(testbed: Testbed, **settings: str) -> None:
    """Start a service that may read Postfix' log."""
    testbed.start_service(postfix_log=str(testbed.postfix.log), **settings)


def history(status: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the history without times."""
    return [(event["state"], event["note"]) for event in status["history"]]


def test_relayed(testbed: Testbed) -> None:
    """Each recipient's receipt has the relay host's words."""
    start(testbed)
    report = report_of("2-failure") | {"mail": {"to": ["ada@example.com", "bob@example.com"]}}
    status = testbed.status(testbed.post(report), "relayed")
    assert [receipt["recipient"] for receipt in status["receipts"]] == [
        "ada@example.com",
        "bob@example.com",
    ]
    assert all(receipt["state"] == "relayed" for receipt in status["receipts"])
    assert all(receipt["reply"].startswith("250 ") for receipt in status["receipts"])
    assert [state for state, _ in history(status)].count("relayed") == 2


def test_deferred_and_then_relayed_after_a_restart(testbed: Testbed) -> None:
    """No receipt is missed if the service stops and the log is rotated meanwhile."""
    start(testbed)
    testbed.relay_answers("451 4.3.0 later")
    answer = testbed.post(report_of("2-failure"))
    status = testbed.status(answer, "deferred")
    assert "451 4.3.0 later" in status["receipts"][0]["reply"]
    testbed.stop_service()
    testbed.relay_answers(None)
    testbed.postfix.flush()
    testbed.wait_for_mails(1)
    log = testbed.postfix.log
    log.rename(log.with_name("mail.log.1"))
    testbed.postfix.reload()  # postlogd opens a new one
    start(testbed)
    again = testbed.status(answer, "relayed")
    assert [state for state, _ in history(again)][-2:] == ["deferred", "relayed"]


def test_the_next_try_is_postfix_own(testbed: Testbed) -> None:
    """The status gives the time of Postfix' next try, which is the time of its queue file."""
    testbed.postfix.set(
        minimal_backoff_time="100s", maximal_backoff_time="200s", queue_run_delay="10s"
    )
    testbed.postfix.reload()
    try:
        testbed.relay_answers("451 4.3.0 later")
        testbed.node.start_service(
            launcher=("env", f"MAIL_CONFIG={testbed.postfix.config}", *LAUNCHER),
            postfix_log=str(testbed.postfix.log),
        )
        status = testbed.status(testbed.post(report_of("2-failure")), "deferred")
        [receipt] = status["receipts"]
        after, before = (
            datetime.fromisoformat(receipt[f"next_attempt_{which}"]).timestamp()
            for which in ("after", "before")
        )
        [file] = (testbed.postfix.config.parent / "queue" / "deferred").rglob(status["queue_id"])
        assert after - 1 <= file.stat().st_mtime <= before - 10
        assert 10 <= before - after < 15
    finally:
        testbed.postfix.set(
            minimal_backoff_time="1s", maximal_backoff_time="2s", queue_run_delay="1s"
        )
        testbed.postfix.reload()


def test_bounced(testbed: Testbed) -> None:
    """A mail that the relay host refuses for good is bounced, with its reply."""
    start(testbed)
    testbed.relay_answers("550 5.1.1 no such user", at="rcpt")
    status = testbed.status(testbed.post(report_of("2-failure")), "bounced")
    assert "550 5.1.1 no such user" in status["receipts"][0]["reply"]


def test_the_figures(testbed: Testbed) -> None:
    """The metrics show what Postfix and the relay host did."""
    start(testbed)
    report = report_of("2-failure") | {"mail": {"to": ["ada@example.com", "bob@example.com"]}}
    testbed.status(testbed.post(report), "relayed")
    testbed.relay_answers("550 5.1.1 no such user", at="rcpt")
    testbed.status(testbed.post(report_of("4-fixed")), "bounced")
    scraped: list[str] = []

    def is_counted() -> bool:
        scraped[:] = testbed.curl("/metrics").stdout.splitlines()
        return 'notify_email_receipts_total{state="bounced"} 1.0' in scraped

    until(is_counted, lambda: "\n".join(scraped))  # after it is committed
    for figure in (
        "reports_accepted_total 2.0",
        'attempts_total{outcome="accepted"} 2.0',
        'mails_total{state="accepted"} 2.0',
        'mails_total{state="failed"} 0.0',
        'receipts_total{state="relayed"} 2.0',
        'receipts_total{state="deferred"} 0.0',
        'receipts_total{state="bounced"} 1.0',
        "handover_seconds_count 2.0",
        "outbox_oldest_age_seconds 0.0",
        "outbox_readable 1.0",
        "postfix_log_readable 1.0",
    ):
        assert f"notify_email_{figure}" in scraped, "\n".join(scraped)


@pytest.mark.parametrize("rerouted", [{}, {"reroute_to": "ops@example.com"}])
def test_a_lost_reply_is_settled_by_the_log(testbed: Testbed, rerouted: dict[str, str]) -> None:
    """If Postfix' log has the mail, it isn't sent again, rerouted or not."""
    lose = testbed.folder / "lose"
    lose.touch()
    testbed.node.start(
        *(sys.executable, "-m", "tests.testbed.lossy", str(LOSSY), "25", str(lose)),
        log=testbed.folder / "lossy.log",
        env={"PYTHONPATH": str(ROOT)},
    )
    testbed.node.wait_for_port(LOSSY, listening=True)
    start(testbed, smtp_port=str(LOSSY), **rerouted)
    report = report_of("2-failure") | {"mail": {"to": ["ada@example.com", "bob@example.com"]}}
    status = testbed.status(testbed.post(report), "relayed")
    assert len(status["receipts"]) == (1 if rerouted else 2)
    assert not lose.exists()
    notes = [note for _, note in history(status)]
    assert any("after the final dot" in note and "may be doubled" in note for note in notes)
    assert any(
        note == f"Postfix' log has it, queued as {status['queue_id']}: it is not sent again"
        for note in notes
    )
    assert status["attempts"] == 1
    second = testbed.status(testbed.post(report_of("4-fixed")), "relayed")
    assert second["attempts"] == 1
    assert len(testbed.mails()) == 2
