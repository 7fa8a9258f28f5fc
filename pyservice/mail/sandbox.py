"""The sandbox of an admin's templates: what they may do, for how long, and how large they get."""

import re
import threading
import time
from itertools import accumulate
from typing import Any

from jinja2 import Template
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

LARGEST = 1_000_000
"""Characters of a part that doesn't heed `rows`; Postfix refuses mails of over 10 MB."""
PATIENCE = 5.0
"""Seconds that an admin's template may take for one part."""
DEEPEST = 5000
"""Elements within each other. The inliner's stack bears 8,000, and ends the process at 16,000."""
_TAG = re.compile(r"<(/?)(?!(?:br|hr|img|meta|link|col|input|wbr)\b)[a-zA-Z]")


class Sandbox(ImmutableSandboxedEnvironment):
    """For an admin's templates: a slip must neither reach the service nor keep it from its work.

    It looks at each attribute and call, which our own templates are spared.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._clock = threading.local()

    def render(self, template: Template, context: dict[str, Any]) -> str:
        """Render within PATIENCE what a mail can hold.

        Raises:
            ValueError: it is too large, or nested too deep for the inliner.
        """
        self._clock.ends = time.monotonic() + PATIENCE
        text = template.render(context)
        if len(text) > LARGEST:
            raise ValueError(f"it makes {len(text)} characters: show no more than `rows` of a list")
        steps = accumulate(-1 if tag[1] else 1 for tag in _TAG.finditer(text))
        if (deepest := max(steps, default=0)) > DEEPEST:
            raise ValueError(f"{deepest} elements stand within each other")
        return text

    def _go_on(self) -> None:
        if time.monotonic() > self._clock.ends:
            raise SecurityError(f"it takes more than {PATIENCE:.0f} s: is there a loop in a loop?")

    def call(__self, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja2's signature
        """Call a function, unless the time is over."""
        __self._go_on()
        return super().call(*args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Get an attribute, unless the time is over."""
        self._go_on()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: str | Any) -> Any:
        """Get an item, unless the time is over."""
        self._go_on()
        return super().getitem(obj, argument)
