"""The sandbox of an administrator's templates, which limits their actions, time and size."""

import re
import threading
import time
from itertools import accumulate
from typing import Any

from jinja2 import Template
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_LENGTH = 1_000_000
"""Characters of a part that ignores `rows`; Postfix refuses mails of over 10 MB."""
MAX_DEPTH = 5000
"""Elements within each other. css_inline handles 8,000, and ends the process at 16,000."""
_TAG = re.compile(r"<(/?)(?!(?:br|hr|img|meta|link|col|input|wbr)\b)[a-zA-Z]")


class Sandbox(ImmutableSandboxedEnvironment):
    """Renders an administrator's templates: a mistake must neither harm the service nor stop it.

    It checks each attribute and call. The built-in templates are rendered without it.
    """

    def __init__(self, *, timeout: float = 5.0, **options: Any) -> None:
        """Take Jinja2's options, and the seconds that a template has for one part."""
        super().__init__(**options)
        self._timeout = timeout
        self._clock = threading.local()

    def render(self, template: Template, context: dict[str, Any]) -> str:
        """Render one part of a mail.

        Raises:
            SecurityError: it takes too long.
            ValueError: it is too large, or nested too deep for css_inline.
        """
        self._clock.ends = time.monotonic() + self._timeout
        text = template.render(context)
        if len(text) > MAX_LENGTH:
            raise ValueError(f"it makes {len(text)} characters: show no more than `rows` of a list")
        steps = accumulate(-1 if tag[1] else 1 for tag in _TAG.finditer(text))
        if (depth := max(steps, default=0)) > MAX_DEPTH:
            raise ValueError(f"{depth} elements stand within each other")
        return text

    def _check_time(self) -> None:
        if time.monotonic() > self._clock.ends:
            seconds = f"{self._timeout:.0f} s"
            raise SecurityError(f"it takes more than {seconds}: is there a loop in a loop?")

    def call(__self, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja2's signature
        """Call a function, unless the time is up."""
        __self._check_time()
        return super().call(*args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Get an attribute, unless the time is up."""
        self._check_time()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: str | Any) -> Any:
        """Get an item, unless the time is up."""
        self._check_time()
        return super().getitem(obj, argument)
