"""What the message of an error says first: Jenkins has it, stack trace and all."""

from collections.abc import Sequence

from pyservice.terminal import plain


def first_line(message: str) -> str:
    """Return the line of an error that says what it is: the last one of a Python traceback."""
    return message_line(message_lines(message))


def message_lines(message: str) -> list[str]:
    """Return an error's lines as a terminal shows them, without blank ones."""
    lines = [line.rstrip() for line in plain(message).splitlines()]
    return [line for line in lines if line.strip()]


def message_line(lines: Sequence[str]) -> str:
    """Return the one of an error's lines that says what it is; empty: there are none."""
    if not lines:
        return ""
    return (lines[-1] if lines[0].startswith("Traceback (most recent") else lines[0]).strip()
