"""Asks before something is changed that a person may not want changed."""

import sys
from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.errors import SetupError

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask first.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person to go on; Enter alone means no.

    Without a terminal nobody can answer, and a script goes on without asking.

    Args:
        question: a whole question: "Restart Postfix now?"
        yes: whether `--yes` was given, so that nobody is asked.

    Raises:
        SetupError: the person did not agree.
    """
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if not ask(question):
        raise SetupError("Nothing was changed, since you did not answer yes.")


def ask(question: str) -> bool:
    """Ask a question, and return whether the answer is yes; Enter alone means no."""
    show.say(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
