"""builders/owned.py: what a killed run of the tests leaves is gone with the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.owned import clear_left_folders, owner
from tests.python.conftest import wait_for

ROOT = Path(__file__).parents[2]
HANGING = """
import time
def test_hangs(tmp_path):
    print(f"{tmp_path}\\n", flush=True)
    time.sleep(900)
"""
MAKING = """
import time
from tests.builders.owned import make_folder
print(make_folder(), flush=True)
time.sleep(900)
"""
SERVING = """
import time
from tests.python.conftest import PostgreSQL
server = PostgreSQL()
server.start()
print(server._folder, flush=True)
time.sleep(900)
"""


def next_run(place: Path) -> None:
    """Begin a run of the tests, and end it before the first one."""
    command = (sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/python/test_urls.py")
    environment = os.environ | {"TMPDIR": str(place)}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)


def killed(*command: str, **environment: str) -> Path:
    """Start a program that makes a folder, and prints its path; kill it, and return the path."""
    child = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    made = next(line for line in child.stdout if line.startswith(b"/"))
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    return Path(os.fsdecode(made.strip()))


def test_folders(tmp_path: Path) -> None:
    """Those of dead runs go, and those of living ones stay."""
    hanging = tmp_path / "test_hanging.py"
    hanging.write_text(HANGING)
    pytests = killed(
        *(sys.executable, "-m", "pytest", "-s", "-q", str(hanging)), TMPDIR=str(tmp_path)
    )
    others = killed(sys.executable, "-c", MAKING, TMPDIR=str(tmp_path))
    mine = others.with_name(f"{owner()}-mine")
    mine.mkdir()
    assert pytests.exists()
    assert others.exists()
    next_run(tmp_path)
    assert not pytests.exists()
    assert not others.exists()
    assert mine.exists()


@pytest.mark.postgresql
def test_postgresql() -> None:
    """A server ends with the tests that use it."""
    folder = killed(sys.executable, "-c", SERVING)
    wait_for(lambda: not (folder / "data" / "postmaster.pid").exists())
    clear_left_folders()
    assert not folder.exists()
