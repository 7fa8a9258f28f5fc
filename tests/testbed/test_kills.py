"""The service is killed wherever it hurts, and what was accepted arrives, once."""

import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.testbed.network import Testbed
from tests.testbed.test_end_to_end import report_of
from tests.testbed.waiting import until

KILLS = int(os.environ.get("KILLS", "60"))
"""Of the loop under load; `make soak` has more."""
CALLERS = 3
SEED = 20261125

POINTS = [
    *(("before-commit", count) for count in range(1, 5)),
    *(("after-commit", count) for count in range(1, 5)),
    *(("before-send", count) for count in range(1, 7)),
    *(("after-reply", count) for count in range(1, 7)),
]
"""Commits: acceptance, bytes, outcome, receipts. What is said: EHLO to the dot, and its replies."""


@pytest.mark.parametrize(("point", "count"), POINTS)
def test_wherever_it_dies(testbed: Testbed, point: str, count: int) -> None:
    """The caller repeats its call, the next start goes on, and the relay host has one mail."""
    log = str(testbed.postfix.log)
    launcher = (sys.executable, "-m", "tests.testbed.dies_at", point, str(count))
    testbed.start_service(launcher=launcher, postfix_log=log)
    body = json.dumps(report_of("2-failure"))
    testbed.curl("/v1/reports", "--max-time", "3", body=body)
    until(lambda: not testbed.node.is_serving(), f"it dies {point} {count}")
    testbed.start_service(postfix_log=log)
    answer = json.loads(testbed.curl("/v1/reports", body=body).stdout)
    testbed.status(answer, "relayed")
    assert len(testbed.mails()) == 1


def test_killed_again_and_again_under_load(testbed: Testbed) -> None:
    """All that was accepted arrives, and nothing twice, since Postfix' log can be read."""
    log, chance = str(testbed.postfix.log), random.Random(SEED)
    load = Load(testbed)
    testbed.start_service(postfix_log=log)
    load.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, 0.4))
        testbed.stop_service(kill=True)
        testbed.start_service(postfix_log=log)
    accepted = load.stop()
    assert len(accepted) > KILLS
    for answer in accepted:
        testbed.status(answer, "relayed")
    arrived = Counter(mail.message["Message-ID"] for mail in testbed.mails())
    assert set(arrived) == {answer["message_id"] for answer in accepted}
    assert max(arrived.values()) == 1, arrived.most_common(3)


class Load:
    """Callers that report builds one after the other, each until it is accepted."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed, self._accepted = testbed, list[dict[str, Any]]()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(CALLERS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[dict[str, Any]]:
        """The answers that there were."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
        return self._accepted

    def _work(self, caller: int) -> None:
        for number in itertools.count(1):
            body = json.dumps(report_of("2-failure", job=f"job-{caller}", number=number))
            while (told := self._testbed.curl("/v1/reports", body=body)).returncode:
                time.sleep(0.02)
            self._accepted.append(json.loads(told.stdout))
            if self._stopping.is_set():
                return
