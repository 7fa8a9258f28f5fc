"""error_message.py: the line of an error that says what it is."""

import pytest

from pyservice.report.error_message import first_line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("\n  first  \nsecond", "first"),
        ("Traceback (most recent call last):\n  File …\nKeyError: 1\n", "KeyError: 1"),
        ("", ""),
        (" \n\t", ""),
    ],
)
def test_the_first_line(message: str, line: str) -> None:
    """The one that says what it is."""
    assert first_line(message) == line
