"""What is said between the service and Postfix in one attempt, without the mail itself."""

import time
from collections import deque
from typing import Literal, NamedTuple

MAX_LINES = 100
"""Lines of a dialogue that are kept: the first, and the last ones; most have less than ten."""
MAX_LAST_LINES = 10


class DialogueLine(NamedTuple):
    """What one side of an SMTP conversation said, or what happened to it."""

    who: Literal["service", "Postfix", ""]
    """Empty: neither said it, it happened."""
    text: str
    seconds: float
    """Since the attempt began."""


class Recorder:
    """Keeps what is said in the attempt under way, for one thread."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the last attempt."""
        self._first: list[DialogueLine] = []
        self._last: deque[DialogueLine] = deque(maxlen=MAX_LAST_LINES)
        self._left_out = 0
        self._began = time.monotonic()

    def say(self, who: Literal["service", "Postfix", ""], text: str) -> None:
        """Keep a line, or count it if there are too many before it."""
        line = DialogueLine(who, text[:500], round(time.monotonic() - self._began, 3))
        if len(self._first) < MAX_LINES - MAX_LAST_LINES:
            self._first.append(line)
            return
        self._left_out += len(self._last) == MAX_LAST_LINES
        self._last.append(line)

    def note(self, text: str) -> None:
        """Keep what happened."""
        self.say("", text)

    @property
    def lines(self) -> tuple[DialogueLine, ...]:
        """All that was kept."""
        if not self._left_out:
            return (*self._first, *self._last)
        gap = DialogueLine("", f"({self._left_out} lines are left out)", self._first[-1].seconds)
        return (*self._first, gap, *self._last)
