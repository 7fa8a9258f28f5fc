"""outbox.py: what is committed stays, and nothing is done twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.entries import Entry
from pyservice.errors import ConfigurationError, ConflictError, NotFoundError
from pyservice.outbox import Outbox
from pyservice.policy import Envelope
from pyservice.report import Report

PEOPLE = Envelope(to=(Mailbox("Ada Éxample", "ada@example.com"),), bcc=(Mailbox("", "b@x.org"),))
REPORT = samples.load("2-failure")


def other(number: int) -> Report:
    return REPORT.model_copy(update={"build": REPORT.build.model_copy(update={"number": number})})


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty one."""
    opened = Outbox(tmp_path / "deep" / "outbox.db", host="ci.example.com")
    yield opened
    opened.close()


def accept(outbox: Outbox, report: Report = REPORT, *, key: str | None = None) -> Entry:
    return outbox.accept(report, PEOPLE, owner="ci", key=key)[0]


def taken(outbox: Outbox) -> Entry:
    entry = outbox.take()
    assert entry is not None
    return entry


def test_an_entry_comes_back_as_it_was(outbox: Outbox) -> None:
    """The report, the people and the Message-ID are stored at acceptance."""
    entry, is_new = outbox.accept(REPORT, PEOPLE, owner="ci")
    assert is_new
    assert (entry.report, entry.people, entry.state) == (REPORT, PEOPLE, "received")
    assert entry.pending == ("ada@example.com", "b@x.org")
    assert entry.message_id == f"<notify-email.{entry.id}@ci.example.com>"
    assert outbox.get(entry.id, owner="ci")[0] == entry


def test_the_same_report_is_one_entry(outbox: Outbox) -> None:
    """A repeated call gets the first answer; a later duration makes no difference."""
    first = accept(outbox)
    later = REPORT.model_copy(
        update={"build": REPORT.build.model_copy(update={"duration_ms": 99_999})}
    )
    again, is_new = outbox.accept(later, PEOPLE, owner="ci")
    assert not is_new
    assert again.id == first.id


def test_another_report_is_another_entry(outbox: Outbox) -> None:
    """Two builds, two mails."""
    assert accept(outbox).id != accept(outbox, other(3)).id


def test_keys(outbox: Outbox) -> None:
    """A key stands for one content, and belongs to its token."""
    first = accept(outbox, key="k")
    assert accept(outbox, key="k").id == first.id
    assert accept(outbox, key="l").id != first.id
    assert accept(outbox).id != first.id
    with pytest.raises(ConflictError):
        accept(outbox, other(3), key="k")
    assert outbox.accept(other(3), PEOPLE, owner="another", key="k")[1]


def test_an_entry_is_its_owners(outbox: Outbox) -> None:
    """Another token's report is not there."""
    entry = accept(outbox)
    for entry_id, owner in ((entry.id, "another"), ("none", "ci")):
        with pytest.raises(NotFoundError):
            outbox.get(entry_id, owner=owner)


def test_what_is_taken_is_taken_once(outbox: Outbox) -> None:
    """Many threads share the entries without an overlap."""
    wanted = {accept(outbox, other(n)).id for n in range(1, 41)}
    found: list[str] = []

    def work() -> None:
        while (entry := outbox.take()) is not None:
            found.append(entry.id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(wanted)
    assert outbox.next_due() is None


def test_released_entries_are_taken_again(outbox: Outbox) -> None:
    """Nothing is lost when an attempt could not even begin."""
    accept(outbox)
    entry = taken(outbox)
    assert outbox.take() is None
    outbox.release(entry)
    assert taken(outbox) == entry


def test_the_way_of_a_mail(outbox: Outbox) -> None:
    """Each step is in the history, with what was said."""
    accept(outbox)
    entry = taken(outbox)
    outbox.sending(entry, b"bytes")
    outbox.settle(entry, state="queued", note="451 later", pending=("b@x.org",), due=1.0)
    entry = taken(outbox)
    assert (entry.mail, entry.pending, entry.attempts) == (b"bytes", ("b@x.org",), 1)
    outbox.sending(entry, b"bytes")
    outbox.settle(entry, state="accepted", note="250 ok", queue_id="4Q1")
    entry, history = outbox.get(entry.id, owner="ci")
    assert (entry.state, entry.queue_id, entry.due, entry.attempts) == ("accepted", "4Q1", None, 2)
    assert [(event.state, event.note) for event in history] == [
        ("received", ""),
        ("queued", "5 bytes"),
        ("sending", "attempt 1"),
        ("queued", "451 later"),
        ("sending", "attempt 2"),
        ("accepted", "250 ok"),
    ]
    assert outbox.take() is None


def test_not_before_it_is_due(outbox: Outbox) -> None:
    """A retry waits for its time, and the courier can ask when that is."""
    accept(outbox)
    entry = taken(outbox)
    outbox.sending(entry, b"x")
    outbox.settle(entry, state="queued", note="later", pending=("a@x.org",), due=9e9)
    assert outbox.take() is None
    assert outbox.next_due() == 9e9


def test_one_service_has_it(outbox: Outbox, tmp_path: Path) -> None:
    """A second process is told so, instead of sending everything twice."""
    with pytest.raises(ConfigurationError, match="belongs to a service that is running"):
        Outbox(tmp_path / "deep" / "outbox.db", host="x")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Is told by name, and left as it is."""
    file = tmp_path / "outbox.db"
    file.write_bytes(b"precious" * 1000)
    with pytest.raises(ConfigurationError, match="not a database"):
        Outbox(file, host="x")
    assert file.read_bytes() == b"precious" * 1000


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """Is told by name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be used"):
        Outbox(tmp_path / "file" / "outbox.db", host="x")


def test_only_the_service_reads_it(outbox: Outbox, tmp_path: Path) -> None:
    """Reports hold names, addresses and logs."""
    assert (tmp_path / "deep" / "outbox.db").stat().st_mode & 0o077 == 0


def test_check(outbox: Outbox) -> None:
    """Says nothing while the file can be written."""
    outbox.check()


CRASH = """
import os, signal, sys
from pathlib import Path
from pyservice import samples
from tests.python.test_outbox import accept, other, taken
from pyservice.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), host="x")
accept(outbox)
accept(outbox, other(3))
entry = taken(outbox)
outbox.sending(entry, b"bytes")
print(entry.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_crash(tmp_path: Path) -> None:
    """What was accepted is there; what was being sent is sent again, and that is said."""
    file = tmp_path / "outbox.db"
    died = subprocess.run(
        [sys.executable, "-c", CRASH, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": "."},
    )
    assert died.returncode == -signal.SIGKILL
    outbox = Outbox(file, host="x")
    entries = {entry.id: entry for entry in (taken(outbox), taken(outbox))}
    assert {entry.report.build.number for entry in entries.values()} == {2, 3}
    again = entries[died.stdout.strip()]
    assert (again.state, again.mail) == ("queued", b"bytes")
    assert "may be doubled" in outbox.get(again.id, owner="ci")[1][-1].note
    outbox.close()
