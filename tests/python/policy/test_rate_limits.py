"""rate_limits.py: which reports are over a rate, and which may share a digest."""

from dataclasses import replace

import pytest
import time_machine
from structlog.testing import capture_logs

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.config.settings import Settings
from pyservice.policy.rate_limits import MailRateLimiter, group_name
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Failure, Report
from tests.python.conftest import Json, post, serve

REPORT = samples.load("2-failure")
ADA, BOB = Mailbox("Ada", "ada@example.com"), Mailbox("", "bob@example.com")
PEOPLE = Recipients(to=(ADA,))
NOON = "2026-11-25T12:00:00Z"


def of(job: str = "shop/checkout", *, error: str | None = None) -> Report:
    build = REPORT.build.model_copy(update={"job": job})
    return Report(build=build, error=Failure(message=error) if error else None)


def passed(
    limiter: MailRateLimiter, times: int, report: Report = REPORT, people: Recipients = PEOPLE
) -> int:
    """Return how many of so many reports get a mail of their own."""
    return sum(limiter.decide(report, people, owner="ci") is None for _ in range(times))


def test_off() -> None:
    """Without a rate each report gets a mail of its own."""
    assert passed(MailRateLimiter((), 300), 1000) == 1000


@pytest.mark.parametrize("rate", ["job=10/hour", "recipient=10/hour", "all=10/hour"])
def test_a_rate(rate: str) -> None:
    """Reports up to the rate pass; the next has a group, which names the rate."""
    with time_machine.travel(NOON, tick=False):
        limiter = MailRateLimiter((rate,), 300)
        assert passed(limiter, 50) == 10
        group = limiter.decide(REPORT, PEOPLE, owner="ci")
    assert group is not None
    assert group.limit == rate
    assert group.next_attempt_at == pytest.approx(1795608000 + 300)


def test_time_goes_by() -> None:
    """When the time is over, reports pass again."""
    limiter = MailRateLimiter(("job=10/hour",), 300)
    with time_machine.travel(NOON, tick=False) as clock:
        assert passed(limiter, 50) == 10
        clock.shift(7200)
        assert passed(limiter, 50) == 10


def test_each_has_its_own() -> None:
    """Jobs, recipients and owners are counted separately."""
    with time_machine.travel(NOON, tick=False):
        limiter = MailRateLimiter(("job=2/hour", "recipient=3/hour"), 300)
        assert passed(limiter, 5, of("a")) == 2
        assert passed(limiter, 5, of("b")) == 1
        assert passed(limiter, 5, of("b"), Recipients(to=(BOB,))) == 1
        assert passed(limiter, 5, of("c"), Recipients(to=(BOB,), bcc=(ADA,))) == 0
        assert limiter.decide(of("a"), Recipients(to=(BOB,)), owner="other") is None


def test_what_is_gathered_uses_up_nothing() -> None:
    """Many reports of a job use up nothing of the rate of all."""
    with time_machine.travel(NOON, tick=False):
        limiter = MailRateLimiter(("job=2/hour", "all=4/hour"), 300)
        assert passed(limiter, 100, of("a")) == 2
        assert passed(limiter, 100, of("b")) == 2


def test_a_cause_across_jobs() -> None:
    """Reports with the same error have one group; without an error a job has a group."""
    same = {
        group_name(of(job, error="no route to nexus"), PEOPLE, owner="ci") for job in ("a", "b")
    }
    assert len(same) == 1
    apart = {group_name(of(job), PEOPLE, owner="ci") for job in ("a", "b")}
    assert len(apart | same) == 3


@pytest.mark.parametrize(
    "people",
    [
        Recipients(to=(BOB,)),
        Recipients(to=(ADA, BOB)),
        Recipients(cc=(ADA,)),
        Recipients(to=(ADA,), bcc=(BOB,)),
        Recipients(to=(ADA,), reply_to=(BOB,)),
    ],
)
def test_other_readers_are_another_group(people: Recipients) -> None:
    """No digest shows one team's builds to another, nor a blind copy to the rest."""
    assert group_name(of(), people, owner="ci") != group_name(of(), PEOPLE, owner="ci")


def test_the_same_readers() -> None:
    """Names and order of recipients make no difference; the owner does."""
    first, second = Recipients(to=(ADA, BOB)), Recipients(to=(BOB, replace(ADA, name="A.")))
    assert group_name(of(), first, owner="ci") == group_name(of(), second, owner="ci")
    assert group_name(of(), first, owner="ci") != group_name(of(), first, owner="other")


def test_other_rates() -> None:
    """New rates count from the change on; a rate that stays keeps its counts."""
    with time_machine.travel(NOON, tick=False):
        limiter = MailRateLimiter((), 300)
        assert passed(limiter, 5) == 5
        limiter.use(("job=2/hour",), 300)
        assert passed(limiter, 5) == 2
        limiter.use(("job=2/hour", "all=100/hour"), 60)
        group = limiter.decide(REPORT, PEOPLE, owner="ci")
        assert group is not None
        assert group.next_attempt_at == pytest.approx(1795608000 + 60)
        limiter.use((), 300)
        assert passed(limiter, 5) == 5


def test_a_repeated_call_is_not_counted(settings: Settings, report: Json) -> None:
    """A report that the outbox has already uses up no rate, with a key or without."""

    def build(number: int) -> Json:
        return report | {"build": report["build"] | {"number": number}}

    with serve(settings.model_copy(update={"rate_limits": ("job=3/hour",)})) as client:
        keys: list[dict[str, str]] = [{}, {"idempotency_key": "k"}]
        for number, key in enumerate(keys, 1):
            assert post(client, build(number), **key).status_code == 202
            for _ in range(3):
                assert post(client, build(number), **key).status_code == 200
        assert post(client, build(3), idempotency_key="k").status_code == 409
        with capture_logs() as logs:
            assert [post(client, build(n)).status_code for n in (3, 4, 4)] == [202, 202, 200]
    accepted = [log for log in logs if str(log["event"]).startswith("report.")]
    assert [log["waits_for_digest"] for log in accepted] == [False, True, True]
