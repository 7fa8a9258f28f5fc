"""cli/confirmation.py: whom it asks, and which answers count."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pyservice.cli.confirmation import confirm
from pyservice.errors import SetupError


def ask(monkeypatch: pytest.MonkeyPatch, typed: str, *, yes: bool = False) -> str:
    """Ask on a terminal on which something was typed already; return what the terminal shows."""
    person, ours = os.openpty()
    os.write(person, typed.encode())
    with os.fdopen(os.dup(ours)) as stdin, os.fdopen(ours, "w") as stderr:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stderr", stderr)
        try:
            confirm("Restart Postfix now?", yes=yes)
        finally:
            monkeypatch.undo()
    shown = b""
    with suppress(OSError):  # the terminal's end, once all that it shows is read
        while piece := os.read(person, 1000):
            shown += piece
    os.close(person)
    return shown.decode()


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_a_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """The question names the default, and a yes lets the command go on."""
    assert "Restart Postfix now? [y/N] " in ask(monkeypatch, answer)


@pytest.mark.parametrize("answer", ["\n", "n\n", "yess\n", "\x04"])
def test_everything_else_is_a_no(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Enter alone, another word, and the end of the input stop the command."""
    with pytest.raises(SetupError, match="Nothing was changed"):
        ask(monkeypatch, answer)


def test_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --yes, or without a terminal, the command goes on and prints nothing."""
    assert "Restart" not in ask(monkeypatch, "n\n", yes=True)
    with Path(os.devnull).open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        confirm("Restart Postfix now?", yes=False)
    assert capsys.readouterr() == ("", "")
