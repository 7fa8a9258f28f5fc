"""What Postfix and the way to it can do to a service under load: all arrives, once."""

import time
from typing import Any

import pytest

from tests.testbed.judge import STEPS
from tests.testbed.trial import HURRY, LOSSY, Trial
from tests.testbed.waiting import until

TEMPORARY = ("450 4.2.0", "451 4.3.0", "452 4.3.1", "421 4.3.2")
PERMANENT = ("550 5.7.1", "552 5.3.4")
ANEW = {"delivery.idle": 0.2}
"""Each conversation begins with a greeting."""
IMPATIENCE = {f"delivery.smtp.{name}": 12.0 for name in ("connect", "reply", "final_dot")}
"""In this time others go on while one hangs."""


def test_postfix_is_stopped_and_started(trial: Trial) -> None:
    """What comes while it is away goes when it is back."""
    trial.start()
    with trial.load():
        time.sleep(0.5)
        trial.testbed.postfix.stop()
        time.sleep(1)
        trial.testbed.postfix.start()
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good


def test_postfix_is_restarted_and_reloaded_under_load(trial: Trial) -> None:
    """Conversations break and go on, and no mail is twice in the relay host's."""
    postfix = trial.testbed.postfix
    trial.start()
    with trial.load():
        for _ in range(2):
            postfix.stop()
            postfix.start()
            time.sleep(0.3)
        for _ in range(4):
            postfix.reload()
            time.sleep(0.3)
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good


@pytest.mark.parametrize("step", STEPS)
def test_postfix_refuses(trial: Trial, step: str) -> None:
    """4xx is tried again, 5xx ends it but at greeting and EHLO; its words are in the status."""
    trial.start(hurry=ANEW | {"delivery.retry.first_delay": 600.0})  # none meets another's verdict
    final = () if step in {"greeting", "EHLO"} else PERMANENT
    for code in (*TEMPORARY, *PERMANENT):
        trial.verdict(step, f"{code} so says a test")
        answer = trial.post(job=f"{step}-{code[:3]}")
        assert answer
        status = answered(trial, answer)
        trial.acquit()
        assert (status["state"] == "failed") is (code in final), status
        assert code in status["error"], status
    for answer in trial.accepted[: 6 - len(final)]:
        trial.testbed.curl(f"/v1/reports/{answer['id']}/retry", "-X", "POST")
    count = trial.count()
    assert (count.sent, count.arrived) == (6, 6 - len(final))
    assert all(lost.endswith(" failed") for lost in count.lost)
    assert not count.unnoted


def answered(trial: Trial, answer: dict[str, Any]) -> dict[str, Any]:
    """The status of a report once Postfix has refused its mail."""
    until(lambda: trial.status(answer)["error"], lambda: str(trial.status(answer)))
    return trial.status(answer)


@pytest.mark.parametrize("step", STEPS)
def test_postfix_hangs(trial: Trial, step: str) -> None:
    """A time-out ends it, meanwhile others go on, and only after the dot there may be two."""
    trial.start(hurry=HURRY | ANEW | IMPATIENCE)
    trial.verdict(step, "hang 14")
    slow = trial.post(job="slow")
    assert slow
    until(lambda: trial.is_hanging, "it hangs")
    for number in range(1, 5):
        assert trial.post(job="quick", number=number)
    for answer in trial.accepted[1:]:
        trial.testbed.status(answer, "relayed")
    assert trial.status(slow)["state"] == "sending"
    count = trial.count()
    status = trial.status(slow)
    assert count.is_good
    assert count.arrived == count.sent == 5
    assert status["attempts"] == 2, status
    assert any("timed out" in event["note"] for event in status["history"])
    assert set(count.noted) <= ({slow["message_id"]} if step == "dot" else set())


def test_replies_are_lost(trial: Trial) -> None:
    """Postfix hangs up after the dot: its log tells that it has the mail, so there is one."""
    trial.start(smtp_port=str(LOSSY))
    with trial.load():
        for _ in range(5):
            trial.lose_a_reply()
    count = trial.count()
    assert count.arrived == count.sent > 5
    assert count.is_good
    statuses = [trial.status(answer) for answer in trial.accepted]
    settled = [s for s in statuses if "Postfix' log has it" in str(s["history"])]
    assert len(settled) + len(count.noted) >= 5
