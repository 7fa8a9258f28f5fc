"""dialogues.py: what was said in a report's last attempts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyservice.dialogue import DialogueLine
from pyservice.outbox.dialogues import MAX_KEPT, read_dialogues
from pyservice.outbox.export import export_report
from pyservice.outbox.queue import Outbox
from tests.builders.outbox import accept, opened, taken


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    """A service's, in either kind of database."""
    with opened(database_url, "node1") as one:
        yield one


def attempt(outbox: Outbox, number: int) -> str:
    """Make an attempt that Postfix defers; return the report's ID."""
    entry = taken(outbox)
    outbox.start_attempt(entry, b"mail")
    said = (
        DialogueLine("service", f"MAIL FROM:<é{number}@x>", 0.001),
        DialogueLine("Postfix", "451 4.3.0 later", 0.25),
    )
    outbox.finish_attempt(
        entry,
        state="queued",
        note="451",
        pending_recipients=entry.pending_recipients,
        next_attempt_at=entry.created_at,
        dialogue=said,
    )
    return entry.id


def test_the_last_attempts_are_kept(outbox: Outbox) -> None:
    """In their order, with what was said; earlier ones make room."""
    accept(outbox)
    for number in range(1, MAX_KEPT + 3):
        report_id = attempt(outbox, number)
    with outbox._database.read() as read:
        kept = read_dialogues(read, report_id)
    assert [one.attempt for one in kept] == list(range(3, MAX_KEPT + 3))
    assert kept[0].lines[0] == DialogueLine("service", "MAIL FROM:<é3@x>", 0.001)
    assert kept[0].lines[1].who == "Postfix"
    exported = export_report(outbox._database, report_id)["dialogues"]
    assert [one["attempt"] for one in exported] == [one.attempt for one in kept]
    assert exported[-1]["lines"][1] == ["Postfix", "451 4.3.0 later", 0.25]


def test_what_is_not_sent_has_no_dialogue(tmp_path: Path) -> None:
    """A dry run says nothing to Postfix."""
    with opened(f"sqlite:///{tmp_path}/outbox.db", "node1") as outbox:
        entry = accept(outbox, hold=True)
        outbox.finish_attempt(entry, state="skipped", note="dry", mail=b"mail")
        with outbox._database.read() as read:
            assert read_dialogues(read, entry.id) == ()
