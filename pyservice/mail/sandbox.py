"""The sandbox of an administrator's templates, which limits their actions and size."""

import re
from itertools import accumulate
from typing import Any

from jinja2 import Template
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

    def render(self, template: Template, context: dict[str, Any]) -> str:
        """Render one part of a mail.

        Raises:
            ValueError: it is too large, or nested too deep for css_inline.
        """
        pieces, length = [], 0
        for piece in template.generate(context):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_LENGTH:
                raise ValueError(
                    f"it makes over {MAX_LENGTH} characters: show no more than `rows` of a list"
                )
        text = "".join(pieces)
        steps = accumulate(-1 if tag[1] else 1 for tag in _TAG.finditer(text))
        if (depth := max(steps, default=0)) > MAX_DEPTH:
            raise ValueError(f"{depth} elements stand within each other")
        return text
