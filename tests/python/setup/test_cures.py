"""Each command that a finding or a message names is one that this version has."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pyservice.cli import app, doctor_fix
from pyservice.config.settings import Settings
from pyservice.config.sources import _OTHER_VARIABLES, PREFIX
from pyservice.setup.doctor import checks
from pyservice.setup.doctor.diagnose import Diagnosis
from pyservice.setup.doctor.findings import CATALOGUE, KNOWN
from tests.builders.doctor import a_node

ROOT = Path(__file__).parents[3]
_NAMED = re.compile(r"`(notify-email [a-z][^`]*)`")
_CURE = re.compile(r"\bnotify-email [a-z][^|&;>]*")


class Words(dict[str, str]):
    """A word for every field."""

    def __missing__(self, name: str) -> str:
        return {"port": "25", "network": "172.22.0.0/16"}.get(name, "x")


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text of our code, with its file; what is filled in is `25`."""
    for file in sorted((ROOT / "pyservice").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "25" for p in node.values]
                yield file.name, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield file.name, node.value


def cures() -> Iterator[tuple[str, str]]:
    """Yield each command of ours in a cure of the catalogue, with the finding's name."""
    for known in CATALOGUE:
        for command in _CURE.findall(known.cure.format_map(Words())):
            yield known.id, command.strip()


NAMED = sorted({(file, command) for file, text in texts() for command in _NAMED.findall(text)})


def find(line: str) -> tuple[Any, list[str]]:
    """Return the command that a line names, and the line's other words.

    Raises:
        LookupError: there is no such command, or it has not one of the options.
    """
    line = line.replace("[", "").replace("]", "")
    words = [word for word in shlex.split(line)[1:] if word != "…"]
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    for word in words:
        if word.startswith("--") and word.partition("=")[0] not in options | {"--help"}:
            raise LookupError(word)
    return command, words


@pytest.mark.parametrize(("finding", "line"), sorted(cures()))
def test_the_command_of_a_cure(finding: str, line: str) -> None:
    """The real parser takes it whole, with its options and their values."""
    command, words = find(line)
    assert command.make_context(finding, words).params


@pytest.mark.parametrize(("file", "command"), NAMED)
def test_a_command_that_a_message_names(file: str, command: str) -> None:
    """It is there, with each option."""
    find(command)


def test_what_has_no_such_option_is_noticed() -> None:
    """The test above would fail for a command or an option that is not there."""
    for line in ("notify-email relay mend", "notify-email jenkins apply --service-uri x"):
        with pytest.raises(LookupError):
            find(line)
    assert len(NAMED) > 20


def test_a_cure_that_does_not_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--fix names a finding that is still there after its cure, and no other one."""
    monkeypatch.setattr(doctor_fix, "_run", lambda _command: True)
    on_a_node = a_node(is_container=False)
    monkeypatch.setattr("pyservice.setup.node.detect.detect_node", lambda: on_a_node)
    refused = KNOWN["refused"].finding(address="172.17.0.1", port=25)
    sick = Diagnosis("172.17.0.1", 25, (), (refused,), (), ())
    run = doctor_fix.run_cures(sick, yes=True)
    assert run == {refused.cure}
    doctor_fix.show_vain_cures(sick, run)
    assert "refused is still there after its cure. Run `notify-email" in capsys.readouterr().out
    doctor_fix.show_vain_cures(Diagnosis("172.17.0.1", 25, (), (), (), ()), run)
    assert capsys.readouterr().out == ""


def test_a_slow_greeting_without_a_lookup() -> None:
    """Where Postfix looks up no names, the cure is not to look up none."""
    slow = KNOWN["greeting-slow"].finding(seconds=9)
    assert checks.cure_slow_greeting(slow, {"smtpd_peername_lookup": "yes"}) == slow
    assert checks.cure_slow_greeting(slow, {}) == slow
    other = checks.cure_slow_greeting(slow, {"smtpd_peername_lookup": "no"})
    assert "smtpd_peername_lookup" not in other.cure
    assert "default_process_limit" in other.cure


def test_variables_have_their_prefix() -> None:
    """A finding names no setting that is not there, and none without its prefix."""
    names = {name.upper() for name in Settings.model_fields} | set(_OTHER_VARIABLES)
    for known in CATALOGUE:
        text = f"{known.sentence} {known.cure}"
        for name in re.findall(rf"\b{PREFIX}(\w+)", text):
            assert name in names, known.id
        bare = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", text)) - {"NODE_IP"}
        assert all(name.startswith(PREFIX) for name in bare), known.id
