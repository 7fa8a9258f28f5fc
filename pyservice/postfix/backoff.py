"""When Postfix tries a deferred mail again: its log doesn't tell, its settings do.

Its queue manager puts a mail off for as long as that has been in the queue, bounded by
minimal_backoff_time and maximal_backoff_time, and looks for those whose time has come every
queue_run_delay (qmgr(8), postconf(5)). `postqueue -f` and its like come before.
"""

import os
import re
import shutil
import subprocess
import time

FRESH = 60.0
"""Seconds between two looks at the settings."""
_PARAMETERS = ("minimal_backoff_time", "maximal_backoff_time", "queue_run_delay")
_PATH = os.defpath + ":/usr/local/sbin:/usr/sbin"
_TIME = re.compile(r"(\d{1,9})([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


class Backoff:
    """The habits of this node's Postfix, of its main instance."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._looked = float("-inf")
        self._found: tuple[int, int, int] | None = None

    def next_try(self, age: float, since: float, until: float) -> tuple[float, float] | None:
        """Between which times a mail is tried again.

        Args:
            age: seconds that it had been in the queue when it was deferred.
            since: when that was, at the earliest; seconds since the epoch.
            until: and at the latest.

        Returns:
            Seconds since the epoch; None: there is no Postfix here whose settings can be read.
        """
        if time.monotonic() - self._looked > FRESH:
            self._found = _settings()
            self._looked = time.monotonic()
        if self._found is None:
            return None
        least, most, pause = self._found
        delay = max(min(age, most), least)
        return since + delay, until + delay + pause


def _settings() -> tuple[int, int, int] | None:
    program = shutil.which("postconf", path=_PATH)
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - postconf
            [program, "-hx", *_PARAMETERS],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = [_TIME.fullmatch(line) for line in done.stdout.splitlines()]
    times = [int(one[1]) * _UNITS[one[2]] for one in found if one]
    if done.returncode or len(times) != len(_PARAMETERS):
        return None
    least, most, pause = times
    return least, most, pause
