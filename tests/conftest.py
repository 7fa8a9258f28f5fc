"""Marks the tests that need more than Python and a moment: `make test-quick` leaves them out."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

BY_PATH = {
    "testbed/": "testbed",
    "browser/": "browser",
    # Each test starts the command as a process, or makes mails for seconds.
    "python/cli/": "slow",
    "python/delivery/test_retry.py": "slow",
    "python/mail/test_hostile.py": "slow",
    "python/outbox/test_model.py": "slow",
    "python/web/test_openapi.py": "slow",
}
BY_FIXTURE = {"postgresql_server": "postgresql", "_standin": "jenkins"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its path and by the fixtures that it needs."""
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        for prefix, marker in BY_PATH.items():
            if path.startswith(prefix):
                item.add_marker(marker)
        for fixture, marker in BY_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
