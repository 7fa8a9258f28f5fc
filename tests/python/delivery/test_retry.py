"""retry.py: when a mail is tried again, and how often in a whole day."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st

from pyservice.config.settings import Settings
from pyservice.delivery.retry import RetryPolicy
from tests.builders.limits import AMPLE
from tests.python.conftest import Json, PostfixStandIn, post, serve, wait_for

POLICY = RetryPolicy()
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[3]
LATER = "451 4.7.1 later"
AWAY = "127.0.0.1:25: connection refused"

attempts = st.integers(min_value=1, max_value=10**9)
ages = st.floats(min_value=-(10**6), max_value=2 * POLICY.give_up_after)
fractions = st.floats(min_value=0, max_value=1)
some_replies = st.lists(st.sampled_from([LATER, AWAY, "421 4.3.2 bye", "452 4.3.1 full", "?"]))


def delay(reply: str, attempt: int, *, fraction: float = 0.5) -> float:
    """Return the delay of a mail that isn't given up."""
    seconds = POLICY.delay([reply], attempts=attempt, age=0, unconfirmed=0, fraction=fraction)
    assert seconds is not None
    return seconds


@given(some_replies, attempts, ages, st.integers(min_value=0, max_value=10), fractions)
def test_in_its_bounds(
    replies: list[str], attempt: int, age: float, unconfirmed: int, fraction: float
) -> None:
    """A delay is never 0, never above the longest one with its jitter, and attempts end by age."""
    seconds = POLICY.delay(
        replies, attempts=attempt, age=age, unconfirmed=unconfirmed, fraction=fraction
    )
    if age >= POLICY.give_up_after or unconfirmed >= POLICY.max_unconfirmed:
        assert seconds is None
    else:
        assert seconds is not None
        assert (
            POLICY.first_delay * (1 - POLICY.jitter)
            <= seconds
            <= POLICY.longest_delay * (1 + POLICY.jitter)
        )


@given(st.sampled_from([LATER, AWAY]), attempts, attempts, fractions)
def test_delays_grow(reply: str, one: int, other: int, fraction: float) -> None:
    """With the same random number, a later attempt never waits less."""
    fewer, more = sorted((one, other))
    assert delay(reply, fewer, fraction=fraction) <= delay(reply, more, fraction=fraction)


@given(st.sampled_from([LATER, AWAY]), attempts)
def test_jitter_is_symmetrical(reply: str, attempt: int) -> None:
    """The jitter makes a delay shorter as often as longer."""
    mean = (delay(reply, attempt, fraction=0) + delay(reply, attempt, fraction=1)) / 2
    assert mean == pytest.approx(delay(reply, attempt))


def test_doubling() -> None:
    """Each wait is twice the one before, up to a limit."""
    assert [delay(LATER, attempt) for attempt in range(1, 10)] == [
        *(5, 10, 20, 40, 80, 160, 320, 640, 900)
    ]


@pytest.mark.parametrize(
    ("reply", "longest"),
    [
        (AWAY, POLICY.longest_wait_for_postfix),
        ("127.0.0.1:25: connection lost after the final dot", POLICY.longest_wait_for_postfix),
        ("421 mx Service not available", POLICY.longest_wait_for_postfix),
        ("452 4.3.1 Insufficient system storage", POLICY.longest_wait_for_postfix),
        ("451 4.3.0 <a@x.org>: Temporary lookup failure", POLICY.longest_wait_for_postfix),
        ("450 4.2.0 greylisted", POLICY.longest_delay),
        ("451 4.7.1 later", POLICY.longest_delay),
        ("450 later", POLICY.longest_delay),
    ],
)
def test_what_the_reply_changes(reply: str, longest: float) -> None:
    """A Postfix that is away or in trouble is tried more often: it is on this node."""
    assert delay(reply, 100) == longest


def test_the_worst_reply_counts() -> None:
    """If one recipient is deferred by a policy, the mail waits as long as that takes."""
    seconds = POLICY.delay([AWAY, LATER], attempts=100, age=0, unconfirmed=0, fraction=0.5)
    assert seconds == POLICY.longest_delay


@pytest.mark.parametrize(("reply", "refused"), [(LATER, 103), ("451 4.3.0 in trouble", 293)])
def test_a_day_of_temporary_replies(
    settings: Settings,
    postfix: PostfixStandIn,
    report: Json,
    reply: str,
    refused: int,
) -> None:
    """After 24 hours of 451 there were as many attempts as documented, and one mail arrives."""
    limits = replace(AMPLE, delivery=replace(AMPLE.delivery, retry=RetryPolicy(jitter=0)))
    start = datetime(2026, 11, 25, tzinfo=UTC)

    def answer(_: SMTP) -> None:
        postfix.data = [reply] if time.time() < (start + DAY).timestamp() else []

    postfix.data_hook = answer
    with time_machine.travel(start, tick=False) as clock, serve(settings, limits) as client:
        worker = client.app.state.service.worker  # type: ignore[attr-defined]
        accepted = post(client, report).json()
        status: Json = {"state": "", "attempts": 0}

        def has_tried() -> bool:
            current = client.get(accepted["status_url"]).json()
            if current["state"] == "sending" or current["attempts"] == status["attempts"]:
                return False
            status.update(current)
            return True

        while status["state"] != "accepted":
            wait_for(has_tried)
            if status["state"] == "queued":
                due = datetime.fromisoformat(status["next_attempt_at"])
                clock.move_to(due + timedelta(milliseconds=1))
                worker.wake()

        took = datetime.fromisoformat(status["history"][-1]["at"]) - start
    assert status["attempts"] == refused + 1
    assert len(postfix.mails) == 1
    assert DAY <= took < DAY + timedelta(seconds=POLICY.longest_delay)
    assert f"{refused} attempts" in (ROOT / "docs" / "delivery.md").read_text()
