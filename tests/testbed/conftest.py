"""One testbed for all tests, reset before each."""

from collections.abc import Iterator

import pytest

from tests.testbed.network import Testbed
from tests.testbed.trial import Trial


@pytest.fixture(scope="session")
def _network() -> Iterator[Testbed]:
    with Testbed() as made:
        yield made


@pytest.fixture
def testbed(_network: Testbed) -> Testbed:
    """Return the testbed: an empty sink, a running Postfix, no service and no outbox."""
    _network.reset()
    _network.forget()
    return _network


@pytest.fixture
def trial(testbed: Testbed) -> Iterator[Trial]:
    """Return a trial with nothing started yet."""
    with Trial(testbed) as trial:
        yield trial
