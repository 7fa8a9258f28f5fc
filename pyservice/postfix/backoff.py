"""When Postfix tries a deferred mail again: its settings say so, its log does not.

Its queue manager puts a mail off for as long as that has been in the queue, bounded by
minimal_backoff_time and maximal_backoff_time, and looks for due mails every queue_run_delay
(qmgr(8), postconf(5)). `postqueue -f` and its like come before.
"""

import re
import subprocess
import time

from pyservice.postfix.commands import find_program

_PARAMETERS = ("minimal_backoff_time", "maximal_backoff_time", "queue_run_delay")
_TIME = re.compile(r"(\d{1,9})([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}

_Settings = tuple[int, int, int]
"""The values of _PARAMETERS, in seconds."""


class Backoff:
    """How long this node's Postfix, its main instance, waits between two attempts."""

    def __init__(self, *, settings_max_age: float = 60.0, search_path: str | None = None) -> None:
        """Nothing is read yet.

        Args:
            settings_max_age: seconds after which Postfix' settings are read again.
            search_path: the folders to find `postconf` in; see `find_program`.
        """
        self._max_age = settings_max_age
        self._search_path = search_path
        self._read_at = float("-inf")
        self._settings: _Settings | None = None

    def next_try(self, age: float, since: float, until: float) -> tuple[float, float] | None:
        """Return the times between which Postfix tries a mail again.

        Args:
            age: seconds that the mail had been in the queue when it was deferred.
            since: when it was deferred, at the earliest; seconds since the epoch.
            until: and at the latest.

        Returns:
            Seconds since the epoch; None: there is no Postfix here whose settings can be read.
        """
        if time.monotonic() - self._read_at > self._max_age:
            self._settings = _read_settings(self._search_path)
            self._read_at = time.monotonic()
        if self._settings is None:
            return None
        shortest, longest, pause = self._settings
        delay = max(min(age, longest), shortest)
        return since + delay, until + delay + pause


def _read_settings(search_path: str | None) -> _Settings | None:
    program = find_program("postconf", search_path)
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
    if done.returncode:
        return None
    matches = [_TIME.fullmatch(line) for line in done.stdout.splitlines()]
    match [int(m[1]) * _UNITS[m[2]] for m in matches if m]:
        case [shortest, longest, pause]:
            return shortest, longest, pause
        case _:
            return None
