"""rate_limits.py: which reports are too many, and which may be in one mail."""

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
    storms: MailRateLimiter, times: int, report: Report = REPORT, people: Recipients = PEOPLE
) -> int:
    """How many of so many reports are sent one by one."""
    return sum(storms.decide(report, people, owner="ci") is None for _ in range(times))


def test_off() -> None:
    """Without a rate nothing is too much."""
    assert passed(MailRateLimiter((), 300), 1000) == 1000


@pytest.mark.parametrize("rate", ["job=10/hour", "recipient=10/hour", "all=10/hour"])
def test_a_rate(rate: str) -> None:
    """So many pass; the next one is gathered, and told which rate it is over."""
    with time_machine.travel(NOON, tick=False):
        storms = MailRateLimiter((rate,), 300)
        assert passed(storms, 50) == 10
        found = storms.decide(REPORT, PEOPLE, owner="ci")
    assert found is not None
    assert found.limit == rate
    assert found.next_attempt_at == pytest.approx(1795608000 + 300)


def test_time_goes_by() -> None:
    """Later there is room again."""
    storms = MailRateLimiter(("job=10/hour",), 300)
    with time_machine.travel(NOON, tick=False) as clock:
        assert passed(storms, 50) == 10
        clock.shift(7200)
        assert passed(storms, 50) == 10


def test_each_has_its_own() -> None:
    """Jobs, recipients and owners are counted apart."""
    with time_machine.travel(NOON, tick=False):
        storms = MailRateLimiter(("job=2/hour", "recipient=3/hour"), 300)
        assert passed(storms, 5, of("a")) == 2
        assert passed(storms, 5, of("b")) == 1
        assert passed(storms, 5, of("b"), Recipients(to=(BOB,))) == 1
        assert passed(storms, 5, of("c"), Recipients(to=(BOB,), bcc=(ADA,))) == 0
        assert storms.decide(of("a"), Recipients(to=(BOB,)), owner="other") is None


def test_what_is_gathered_uses_up_nothing() -> None:
    """One job's storm takes no other job's share of the whole."""
    with time_machine.travel(NOON, tick=False):
        storms = MailRateLimiter(("job=2/hour", "all=4/hour"), 300)
        assert passed(storms, 100, of("a")) == 2
        assert passed(storms, 100, of("b")) == 2


def test_a_cause_across_jobs() -> None:
    """What fails for one reason is one group; what has no error is its job's."""
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
    """Their names and their order make no difference; the owner does."""
    one, two = Recipients(to=(ADA, BOB)), Recipients(to=(BOB, replace(ADA, name="A.")))
    assert group_name(of(), one, owner="ci") == group_name(of(), two, owner="ci")
    assert group_name(of(), one, owner="ci") != group_name(of(), one, owner="other")


def test_other_rates() -> None:
    """They count from the change on; what was counted for a rate that stays is kept."""
    with time_machine.travel(NOON, tick=False):
        storms = MailRateLimiter((), 300)
        assert passed(storms, 5) == 5
        storms.use(("job=2/hour",), 300)
        assert passed(storms, 5) == 2
        storms.use(("job=2/hour", "all=100/hour"), 60)
        found = storms.decide(REPORT, PEOPLE, owner="ci")
        assert found is not None
        assert found.next_attempt_at == pytest.approx(1795608000 + 60)
        storms.use((), 300)
        assert passed(storms, 5) == 5


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
