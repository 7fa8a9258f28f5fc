"""One testbed for all tests, reset before each."""

import threading
from collections.abc import Iterator

import pytest

from tests.testbed.network import Testbed
from tests.testbed.relay_machine import Machine
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


@pytest.fixture(scope="module")
def _machine(_network: Testbed) -> Iterator[Machine]:
    node, is_over = _network.add_node(), threading.Event()
    made = Machine(_network, node)
    thread = threading.Thread(target=made.keep_aged, args=(is_over,))
    thread.start()
    yield made
    is_over.set()
    thread.join()
    if node.postfix.is_running():
        node.postfix.stop()


@pytest.fixture
def machine(_machine: Machine) -> Machine:
    """Return a node whose Postfix serves the node itself only."""
    _machine.reset()
    return _machine
