"""events.py: each listener gets each event."""

import pytest
from structlog.testing import capture_logs

from pyservice.events import Event, Events, ReportChanged, ReportEnded


def test_all_listeners_get_all_events() -> None:
    """Listeners get the events in the order in which they were announced."""
    events, first, second = Events(), list[Event](), list[Event]()
    events.subscribe(first.append)
    events.subscribe(second.append)
    announced: list[Event] = [ReportChanged("1", "ci", "shop"), ReportEnded("accepted")]
    for event in announced:
        events.announce(event)
    assert first == second == announced


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("x")])
def test_a_listener_that_fails(error: Exception) -> None:
    """Its failure is logged, and neither the announcer nor the other listeners notice it."""
    events, others = Events(), list[Event]()

    def fail(_: Event) -> None:
        raise error

    events.subscribe(fail)
    events.subscribe(others.append)
    with capture_logs() as logs:
        events.announce(ReportChanged("1", "ci", "shop"))
    assert others == [ReportChanged("1", "ci", "shop")]
    assert [(log["event"], log["announced"]) for log in logs] == [
        ("listener.failed", "ReportChanged")
    ]
