"""show.py: what builds, Jenkins and mail servers wrote gives a terminal no orders."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import pyservice
from pyservice.cli import show
from pyservice.config.settings import Settings
from pyservice.setup.plan import Change, Plan
from tests.builders.command import run
from tests.python.conftest import Json, PostfixStandIn, post, settled

HOSTILE = "a\x1b[2Jb\x9b2Jc\x1b]0;title\x07d\u202ee\x7ff\x85g\u2066h\x08\x00i\x1b(0j"


def is_harmless(text: str) -> bool:
    """Whether a terminal only shows it."""
    return all(char.isprintable() for char in text.replace("\n", "").replace("\t", ""))


def printers() -> Iterator[tuple[Path, int]]:
    """Where the package prints, by file and line."""
    root = Path(pyservice.__file__).parent
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            method = name.rpartition(".")[2]
            is_stream = "stdout" in name or "stderr" in name
            is_question = name in {"typer.confirm", "typer.prompt", "input"}
            is_print = name == "print" or method.endswith("echo") or is_question
            if is_print or (is_stream and "write" in method):
                yield file.relative_to(root), node.lineno


def test_one_place_prints() -> None:
    """Except the doctor's probe, which is a program of its own for a pod."""
    assert {str(file) for file, _ in printers()} == {"cli/show.py", "setup/doctor/probe.py"}


@pytest.mark.parametrize(
    "shows",
    [
        lambda: show.line(f"{HOSTILE}\n\t{HOSTILE}"),
        lambda: show.facts({"Error": HOSTILE, "Left out": None}),
        lambda: show.table(("A", "B"), [(HOSTILE, "b"), ("a", HOSTILE)]),
        lambda: show.say(HOSTILE),
        lambda: show.json({"error": HOSTILE}),
        lambda: show.plan(Plan(HOSTILE, (Change(HOSTILE, None, HOSTILE, HOSTILE),)), as_json=False),
        lambda: show.plan(Plan(HOSTILE, (Change(HOSTILE, None, HOSTILE, HOSTILE),)), as_json=True),
    ],
)
def test_what_is_printed_is_cleaned(
    shows: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """In every form."""
    shows()
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert "j" in printed
    assert is_harmless(printed)


def test_a_value_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It can't look like another fact."""
    show.facts({"Error": "550 no\nState       relayed\r\nState\trelayed"})
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_json_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """For the program that reads it, in characters that a terminal only shows."""
    show.json([HOSTILE, "é"])
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == [HOSTILE, "é"]


def test_a_server_s_words_in_every_command(
    client: TestClient, settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """Also in an export to the terminal."""
    postfix.rcpt = {"ada@example.com": "550 5.1.1 no\x1b[2J\x9b2J\x1b]0;t\x07\u202e"}
    answer: dict[str, Any] = post(client, report).json()
    status = settled(client, answer, state="failed")
    assert "\x1b[2J" in status["error"]
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", answer["id"]),
        ("show", answer["id"], "--json"),
        ("export", "-"),
        ("cancel", answer["id"]),
        ("retry", "\x1b[2J"),
        ("list", "--job", "\x1b[2J", "--older-than", "\x1b[2J"),
        ("retry", answer["id"]),
    ):
        done = run("outbox", *words, NOTIFY_EMAIL_DATABASE_URL=settings.outbox_url)
        assert is_harmless(done.stdout + done.stderr), words
