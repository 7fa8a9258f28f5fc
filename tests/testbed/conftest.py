"""One testbed for all tests; each test finds it as new."""

from collections.abc import Iterator

import pytest

from tests.testbed.network import Testbed


@pytest.fixture(scope="session")
def _network() -> Iterator[Testbed]:
    with Testbed() as made:
        yield made


@pytest.fixture
def testbed(_network: Testbed) -> Testbed:
    """An empty sink, a running Postfix, no service and no outbox."""
    _network.reset()
    _network.forget()
    return _network
