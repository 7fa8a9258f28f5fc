"""Wherever the service is killed, each accepted report arrives once."""

import json
import os
import random
import sys
import time

import pytest

from tests.builders.reports import report_of
from tests.testbed.network import Testbed
from tests.testbed.trial import Trial
from tests.testbed.waiting import until

KILLS = int(os.environ.get("KILLS", "60"))
"""Of the loop under load; `make soak` has more."""
SEED = 20261125

POINTS = [
    *(("before-commit", count) for count in range(1, 5)),
    *(("after-commit", count) for count in range(1, 5)),
    *(("before-send", count) for count in range(1, 7)),
    *(("after-reply", count) for count in range(1, 7)),
]
"""Commits: acceptance, bytes, outcome, receipts. Sends and replies: from EHLO to the final dot."""


@pytest.mark.parametrize(("point", "count"), POINTS)
def test_wherever_it_dies(testbed: Testbed, point: str, count: int) -> None:
    """The caller repeats its call, the next start goes on, and the relay host has one mail."""
    log = str(testbed.postfix.log)
    launcher = (sys.executable, "-m", "tests.testbed.dies_at", point, str(count))
    testbed.start_service(launcher=launcher, postfix_log=log)
    body = json.dumps(report_of("2-failure"))
    testbed.curl("/v1/reports", body=body)
    until(lambda: not testbed.node.is_serving(), f"it dies {point} {count}")
    testbed.start_service(postfix_log=log)
    answer = json.loads(testbed.curl("/v1/reports", body=body).stdout)
    testbed.status(answer, "relayed")
    assert len(testbed.mails()) == 1


def wait_for_a_report(trial: Trial) -> None:
    """Return once one more report was accepted."""
    before = len(trial.accepted)
    until(lambda: len(trial.accepted) > before, "a report is accepted")


def test_killed_again_and_again_under_load(trial: Trial) -> None:
    """Each accepted report arrives, and once, since Postfix' log can be read."""
    chance = random.Random(SEED)
    trial.start(hurry={})
    with trial.load():
        for number in range(KILLS):
            if number % 2:  # else a busy machine might accept hardly any between two kills
                wait_for_a_report(trial)
            # The first report after a start waits for the patterns of secrets to be loaded.
            time.sleep(chance.uniform(0, 0.8))
            trial.restart(kill=True)
    count = trial.count()
    assert count.arrived == count.sent >= KILLS / 2
    assert count.is_good
    assert not count.noted
