"""What a run of the tests makes on the machine: the next run removes what a killed run has left.

A name begins with its owner, `nemail-PID-STARTED-…`, so nothing is removed that a living run uses.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

PREFIX = "nemail"

_OWNED = re.compile(rf"{PREFIX}-(?P<pid>\d+)-(?P<started>\d+)-")
_STARTED = 22
"""The field of /proc/PID/stat with a process' start time: the system reuses process IDs."""


def owner() -> str:
    """Return the beginning of the names of what this process makes, without the last dash."""
    pid = os.getpid()
    return f"{PREFIX}-{pid}-{_started(pid)}"


def is_owned(name: str) -> bool:
    """Return whether a name has an owner."""
    return _OWNED.match(name) is not None


def is_left(name: str) -> bool:
    """Return whether a name has an owner that is dead."""
    owned = _OWNED.match(name)
    return owned is not None and _started(int(owned["pid"])) != int(owned["started"])


def make_folder() -> Path:
    """Make a folder for this process' files, which users such as Postfix' can enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"{owner()}-"))
    folder.chmod(0o755)
    return folder


def clear_left_folders() -> None:
    """Remove the folders whose owner is dead, and those of dead pytests."""
    place = Path(tempfile.gettempdir())
    ours = [folder for folder in place.glob(f"{PREFIX}-*") if is_left(folder.name)]
    locks = place.glob("pytest-of-*/pytest-*/.lock")  # pytest itself keeps them for three days
    of_pytest = [lock.parent for lock in locks if _has_dead_holder(lock)]
    for folder in (*ours, *of_pytest):
        shutil.rmtree(folder, ignore_errors=True)


def _has_dead_holder(lock: Path) -> bool:
    try:
        return _started(int(lock.read_text(encoding="utf-8"))) is None
    except (OSError, ValueError):  # it is being made, or removed
        return False


def _started(pid: int) -> int | None:
    """Return a process' start in clock ticks since boot; None: there is none, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return None if state == "Z" else int(fields[_STARTED - 4])
