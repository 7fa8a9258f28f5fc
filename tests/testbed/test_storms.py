"""A storm of reports, and the service is killed while their digest is made or sent."""

import json
import random
import re
import time
from collections import Counter

import pytest

from tests.builders.reports import report_of
from tests.testbed.network import Testbed
from tests.testbed.waiting import until

SEED = 20261125
BUILDS = 24


@pytest.mark.parametrize("round_", range(4))
def test_killed_in_a_storm(testbed: Testbed, round_: int) -> None:
    """Whenever it dies, each build is in one mail at the relay host."""
    wait = random.Random(SEED + round_).uniform(0, 1.5)
    settings = {
        "postfix_log": str(testbed.postfix.log),
        "rate_limits": "job=3/hour",
        "digest_after": "1",
    }
    testbed.start_service(**settings)
    bodies = [json.dumps(report_of("2-failure", number=n, url=link(n))) for n in range(1, BUILDS)]
    answers = [json.loads(testbed.curl("/v1/reports", body=body).stdout) for body in bodies]
    time.sleep(wait)
    testbed.stop_service(kill=True)
    testbed.start_service(**settings)

    def have_ended() -> bool:
        paths = [f"/v1/reports/{answer['id']}" for answer in answers]
        statuses = [json.loads(testbed.curl(path).stdout) for path in paths]
        return all(status["state"] in {"relayed", "digested"} for status in statuses)

    until(have_ended, "all have ended")
    shown = Counter(
        build
        for mail in testbed.mails()
        for build in set(re.findall(r'href="(https://[^"]+/\d+/)"', mail.text("html")))
    )
    assert shown == {link(number): 1 for number in range(1, BUILDS)}
    assert 4 <= len(testbed.mails()) < BUILDS


def link(number: int) -> str:
    """The address of a build."""
    return f"https://ci.example.com/job/shop/job/checkout/{number}/"
