"""Marks the tests that need more than Python and a moment: `make test-quick` leaves them out."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

BY_PATH = {
    "testbed/": "testbed",
    "browser/": "browser",
    # These start a command or a service for each test, wait for time limits, or make many mails.
    "python/cli/": "slow",
    "python/config/test_live.py": "slow",
    "python/delivery/": "slow",
    "python/description/test_updater.py": "slow",
    "python/mail/test_composer.py": "slow",
    "python/mail/test_hostile.py": "slow",
    "python/outbox/test_model.py": "slow",
    "python/postfix/test_backoff.py": "slow",
    "python/test_metrics.py": "slow",
    "python/web/test_connection_limits.py": "slow",
    "python/web/test_openapi.py": "slow",
    "python/web/test_own_reports.py": "slow",
    "python/web/test_tls.py": "slow",
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
