"""Postfix' log is read on through everything that happens to a log, and its lines understood."""

import json
import resource
from pathlib import Path

import pytest

from pyservice.errors import SetupError
from pyservice.postfix.log import FileLog, JournalLog, open_log, wait_for
from pyservice.postfix.log_line import Line
from pyservice.postfix.log_relay import LogRelay

SENT = (
    "Nov 25 12:40:03 node1 postfix/smtp[77]: 57B8298404C: to=<ada@example.com>, "
    "relay=198.51.100.1[198.51.100.1]:25, delay=0.04, delays=0.01/0/0.01/0.02, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok: queued as SINK1)"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A log with a line from before."""
    made = tmp_path / "mail.log"
    made.write_text("before\n")
    return made


def write(file: Path, *lines: str) -> None:
    """As a logger does."""
    with file.open("a") as log:
        log.writelines(f"{line}\n" for line in lines)


def test_lines() -> None:
    """A line has a queue ID, a Message-ID, a delivery or the end; all else is about no mail."""
    line = Line.parse(SENT)
    assert line is not None
    assert line.queue_id == "57B8298404C"
    assert line.delivery is not None
    assert line.delivery.recipient == "ada@example.com"
    assert line.delivery.relay == "198.51.100.1[198.51.100.1]:25"
    assert (line.delivery.status, line.delivery.reply) == (
        "sent",
        "250 2.0.0 Ok: queued as SINK1",
    )
    bounced = Line.parse(
        "2026-11-25T12:40:03.5+01:00 n postfix-out/smtp[7]: 4XyZ: to=<b@example.com>, "
        "orig_to=<root>, relay=none, conn_use=2, delay=1, delays=0/0/1/0, dsn=5.4.4, "
        "status=bounced (Host (or domain) not found)"
    )
    assert bounced is not None
    assert bounced.delivery is not None
    assert bounced.delivery.recipient == "root"
    assert bounced.delivery.reply == "Host (or domain) not found"
    logged = Line.parse("Nov 25 12:40:03 n postfix/cleanup[7]: 4XyZ: message-id=<a@b>")
    assert logged is not None
    assert (logged.message_id, logged.delivery, logged.is_end) == ("<a@b>", None, False)
    ended = Line.parse("Nov 25 12:40:03 n postfix/qmgr[7]: 4XyZ: removed")
    assert ended is not None
    assert ended.is_end
    assert (
        Line.parse("Nov 25 12:40:03 n postfix/smtpd[7]: connect from unknown[172.22.91.2]") is None
    )
    assert Line.parse("Nov 25 12:40:03 n cron[7]: 4XyZ: removed") is None


@pytest.mark.parametrize(
    "logged",
    [
        "n postfix/postscreen[7]: PREGREET 9 after 0 from [::1]:9:",
        "n postfix/smtpd[7]: improper command pipelining:",
        "n dovecot: login failed: user=<x",
    ],
)
def test_a_line_within_another_is_none(logged: str) -> None:
    """What a stranger says to a server is no line of Postfix."""
    forged = "postfix/smtp[7]: 4XyZ: to=<a@b>, relay=r, delay=1, status=sent (250 ok)"
    assert Line.parse(f"Nov 25 12:40:03 n {forged}") is not None
    assert Line.parse(f"Nov 25 12:40:03 {logged} {forged}") is None


@pytest.mark.parametrize("end", "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
def test_only_a_line_feed_ends_a_line(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Postfix logs other line ends as they are: in a Message-ID, a HELO or a server's reply."""
    message = f"4XyZ: message-id=<a{end}{SENT}>"
    log = FileLog(file)
    write(file, f"Nov 25 12:40:03 node1 postfix/cleanup[7]: {message}", SENT)
    assert list(map(Line.parse, log.lines())) == [Line(*message.split(": ", 1)), Line.parse(SENT)]

    entry = {"__CURSOR": "1", "SYSLOG_IDENTIFIER": "postfix/cleanup", "MESSAGE": message}
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(f"#!/bin/sh\ncat {tmp_path}/entries\n")
    journalctl.chmod(0o755)
    (tmp_path / "entries").write_text(f"{json.dumps(entry, ensure_ascii=False)}\n" * 2)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert list(map(Line.parse, JournalLog().lines())) == [Line(*message.split(": ", 1))] * 2


def test_what_comes_is_read_once(file: Path) -> None:
    """From the end on, in whole lines, each once."""
    log = FileLog(file)
    assert log.lines() == []
    write(file, "one", "two")
    with file.open("a") as half:
        half.write("thr")
    assert log.lines() == ["one", "two"]
    write(file, "ee")
    assert log.lines() == ["three"]
    assert log.lines() == []


def test_rotations(file: Path) -> None:
    """Renamed and made anew, with a late line in the old one; emptied in place."""
    log = FileLog(file)
    write(file, "one")
    old = file.rename(file.with_name("mail.log.1"))
    assert log.lines() == ["one"]
    assert log.lines() == []  # there is no new one yet
    write(file, "three")
    assert log.lines() == ["three"]
    write(old, "late")
    write(file, "four")
    assert log.lines() + log.lines() == ["late", "four"]
    file.write_text("")
    assert log.lines() == []
    write(file, "five")
    assert log.lines() == ["five"]


def test_a_restart_loses_nothing(file: Path) -> None:
    """A mark is where the next reader goes on, under the file's new name too."""
    log = FileLog(file)
    write(file, "one")
    log.lines()
    write(file, "two")
    again = FileLog(file, log.mark)
    assert again.lines() == ["two"]
    write(file, "three")
    file.rename(file.with_name("mail.log.1"))
    early = FileLog(file, again.mark)  # before there is a new one
    assert early.lines() == ["three"]
    write(file, "four")
    assert early.lines() == ["four"]
    after = FileLog(file, again.mark)
    assert after.lines() + after.lines() == ["three", "four"]
    assert FileLog(file, {}).lines() == ["four"]


@pytest.mark.parametrize("more", [[], ["so many new lines that it is as long as before"]])
def test_copied_and_emptied(file: Path, more: list[str]) -> None:
    """What wasn't read of the file is in the copy, however long the file is again by then."""
    log = FileLog(file)
    write(file, "one")
    assert log.lines() == ["one"]
    write(file, "two")
    file.with_name("mail.log.1").write_bytes(file.read_bytes())
    file.write_bytes(b"")
    if more:
        write(file, *more)
    assert log.lines() == ["two"]
    assert log.lines() == more
    write(file, "three")
    assert log.lines() == ["three"]


def test_waiting(file: Path) -> None:
    """A line from before is no result; a new one is, or there is none in time."""
    write(file, SENT)
    log = FileLog(file)
    assert wait_for(log, lambda line: line.delivery, 0) is None
    write(file, "no mail's", SENT)
    found = wait_for(log, lambda line: line.delivery, 0)
    assert found is not None
    assert found.status == "sent"


def test_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file and a missing journal each have an error that says what to do."""
    with pytest.raises(SetupError, match="postconf maillog_file"):
        open_log(tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="no journalctl"):
        JournalLog()


def _mail(queue_id: str, message_id: str, recipient: str) -> list[str]:
    begin = f"Nov 25 12:40:03 node1 postfix/{{}}[77]: {queue_id}: "
    return [
        begin.format("cleanup") + f"message-id={message_id}",
        begin.format("smtp") + f"to=<{recipient}>, relay=none, delay=1, status=deferred (later)",
        begin.format("qmgr") + "removed",
    ]


def test_only_own_mails_are_shared(file: Path, tmp_path: Path) -> None:
    """Others' lines stay out, whatever they hold, and so does the next mail with an old ID."""
    out = tmp_path / "ours.log"
    relay = LogRelay(file, out)
    own = _mail("4Xa", "<notify-email.1@ci.example.com>", "ada@example.com")
    other = _mail("4Xb", "<1.notify-email.@evil.example>", "secret@example.com")
    write(file, *own, *other, *_mail("4Xa", "<next@example.com>", "secret@example.com"))
    assert relay.step() == 3
    assert out.read_text().splitlines() == own
    assert out.stat().st_mode & 0o007 == 0


def test_from_where_own_mails_came_is_shared(file: Path, tmp_path: Path) -> None:
    """The service knows its own mails by that; others' clients stay out."""
    out = tmp_path / "ours.log"
    relay = LogRelay(file, out)
    begin = "Nov 25 12:40:03 node1 postfix/smtpd[7]: {}: client=localhost[127.0.0.1]"
    own = _mail("4Xa", "<notify-email.1@ci.example.com>", "ada@example.com")
    other = _mail("4Xb", "<1@other.example>", "secret@example.com")
    write(file, begin.format("4Xa"), begin.format("4Xb"), begin.format("4Xc"), *other, *own)
    assert relay.step() == 4
    assert out.read_text().splitlines() == [begin.format("4Xa"), *own]


def test_sharing_goes_on_after_a_stop(file: Path, tmp_path: Path) -> None:
    """A mail whose Message-ID was passed on before the stop is known after it."""
    out = tmp_path / "ours.log"
    first, *rest = _mail("4Xa", "<notify-email.1@ci.example.com>", "ada@example.com")
    write(file, first)
    LogRelay(file, out).step()
    write(file, *rest)
    assert LogRelay(file, out).step() == 2
    assert LogRelay(file, out).step() == 0
    assert out.read_text().splitlines() == [first, *rest]


def test_a_stop_between_any_two_lines(file: Path, tmp_path: Path) -> None:
    """From where a mail came is known after it, too, and passed on before its Message-ID."""
    out = tmp_path / "ours.log"
    client = "Nov 25 12:40:03 node1 postfix/smtpd[7]: 4Xa: client=localhost[127.0.0.1]"
    lines = [client, *_mail("4Xa", "<notify-email.1@ci.example.com>", "ada@example.com")]
    for line in lines:
        write(file, line)
        LogRelay(file, out).step()
    assert out.read_text().splitlines() == lines


def test_what_is_shared_does_not_grow(file: Path, tmp_path: Path) -> None:
    """Beyond a size it is renamed; a reader of it misses nothing."""
    out = tmp_path / "ours.log"
    relay = LogRelay(file, out, max_bytes=300)
    reader, seen = FileLog(out), []
    for number in range(4):
        write(file, *_mail(f"4X{number}", "<notify-email.1@ci.example.com>", "ada@example.com"))
        relay.step()
        seen += [line for _ in range(3) for line in reader.lines()]
    assert len(seen) == 12
    assert sum(path.stat().st_size for path in tmp_path.glob("ours.log*")) < 2000


def test_a_full_disk_loses_nothing(file: Path, tmp_path: Path) -> None:
    """What could not be written comes with the next step, and no half line before it."""
    out = tmp_path / "ours.log"
    relay = LogRelay(file, out)
    own = _mail("4Xa", "<notify-email.1@ci.example.com>", "ada@example.com")
    write(file, *own)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, before[1]))
    try:
        with pytest.raises(SetupError, match="file too large"):
            relay.step()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert relay.step() == 3
    assert out.read_text().splitlines() == own


def test_a_folder_that_is_not_there(file: Path, tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(SetupError, match=r"There is no folder \S+/none\. Make it"):
        LogRelay(file, tmp_path / "none" / "ours.log")
    assert list(tmp_path.iterdir()) == [file]
