"""`make test-quick`: the tests that need neither root nor other programs nor much time."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_what_is_quick() -> None:
    """It takes most tests, and none of those that need a testbed, a browser or a server."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.ready", "test-quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    [_, *arguments] = shlex.split(shown.stdout)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(names) > 1000
    for name in names:
        assert name.startswith("tests/python/"), name
        assert "[postgresql" not in name
    files = {name.partition("::")[0] for name in names}
    assert "tests/python/test_deploy.py" in files
    assert "tests/python/cli/test_outbox.py" not in files
