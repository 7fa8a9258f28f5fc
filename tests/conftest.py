"""Marks the tests that need more than Python and a moment, and counts the Groovy tests.

`make test-quick` leaves the marked tests out. `make test` runs the Groovy tests first, with Maven,
and their counts stand before pytest's own.
"""

import gc
import os
import shutil
import tempfile
from itertools import islice
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

import psutil
import pytest

from tests.builders.owned import clear_left_folders

gc.disable()  # until the tests are collected: nothing of them is garbage

T = TypeVar("T")

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
    "python/test_regexes.py": "slow",
    "python/web/test_attacks.py": "slow",
    "python/web/test_connection_limits.py": "slow",
    "python/web/test_openapi.py": "slow",
    "python/web/test_own_reports.py": "slow",
    "python/web/test_tls.py": "slow",
}
LONGEST = (
    "python/outbox/test_model.py",
    "python/test_groovy_counts.py",
    "python/test_quick.py",
    "python/web/test_openapi.py",
)
BY_FIXTURE = {"postgresql_server": "postgresql", "_standin": "jenkins"}


MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30
"""Bytes: twice what the tests' files ever take."""


def keep_files_in_memory() -> None:
    """Put temporary files into memory, where there is enough and programs may be run from there.

    Outboxes, PostgreSQL and Postfix sync each change to the disk, for which tests waited longer
    than for anything else. TMPDIR overrides it.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    allows_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    if allows_programs and free >= ENOUGH:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make test` say where Maven's reports are."""
    parser.addoption("--groovy-reports", type=Path, help="Show the counts of Maven's reports, too.")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' files in memory; fail before the first test if there was no Groovy test."""
    keep_files_in_memory()
    clear_left_folders()
    folder = config.getoption("groovy_reports")
    if folder and not groovy_counts(folder)["tests"]:
        raise pytest.UsageError(f"{folder} has no report of a Groovy test: run `mvn test` before.")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write the Groovy tests' counts above those of the Python tests."""
    if folder := config.getoption("groovy_reports"):
        counts = groovy_counts(folder)
        failed = counts["failures"] + counts["errors"]
        terminalreporter.write_line(
            f"Groovy: {counts['tests']} run, {failed} failed, {counts['skipped']} skipped"
        )


def groovy_counts(folder: Path) -> dict[str, int]:
    """Return the sums of the counts in Maven's reports: tests, failures, errors and skipped."""
    suites = [ElementTree.parse(report).getroot() for report in folder.glob("TEST-*.xml")]
    return {
        name: sum(int(suite.attrib[name]) for suite in suites)
        for name in ("tests", "failures", "errors", "skipped")
    }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its path and its fixtures; those on a testbed come first."""
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        for prefix, marker in BY_PATH.items():
            if path.startswith(prefix):
                item.add_marker(marker)
        for fixture, marker in BY_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
    # Each of these takes the time of hundreds of others.
    longest = [item for item in items if item.path.relative_to(TESTS).as_posix() in LONGEST]
    on_testbed = [item for item in items if item.get_closest_marker("testbed")]
    long = dict.fromkeys([*longest, *on_testbed])
    others = [item for item in items if item not in long]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = shares([*long], others, workers)


def shares(long: list[T], quick: list[T], workers: int) -> list[T]:
    """Return all tests, so that each worker begins with long ones: it gets the next share of them.

    Those mostly wait, some of them for half a minute; while all workers have one, the processors
    are busy, and at the end everybody still finds quick ones.
    """
    ordered: list[T] = []
    left = iter(quick)
    for worker in range(workers):
        share = (len(long) + len(quick) - len(ordered)) // (workers - worker)  # as xdist counts
        own = long[worker::workers]
        ordered += [*own, *islice(left, max(0, share - len(own)))]
    return ordered


def pytest_collection_finish() -> None:
    """Search only what the tests themselves make for garbage: the modules and the tests stay."""
    gc.freeze()
    gc.enable()
