"""Regular expressions in RE2, which takes linear time whatever pattern and text it gets."""

from typing import Any

Regexp = Any
"""A pattern as google-re2, which has no types, has compiled it."""


def compile_pattern(pattern: str) -> Regexp:
    """Return a pattern as RE2 compiles it.

    Raises:
        ValueError: RE2 can't compile it; says why.
    """
    # Late: the command line needs it only where a setting has patterns.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode() if isinstance(reason, bytes) else reason) from None
