"""How many mails wait in Postfix' queue, whatever moves while they are listed."""

import os
from pathlib import Path

import pytest

from pyservice.postfix.instance import Postfix

EMPTY = "Mail queue is empty\n"
HEADING = "-Queue ID-  --Size--  ----Arrival Time---- -Sender/Recipient-------\n"
ACTIVE = """\
4B1F2C00D3*    2048 Mon Nov 30 05:12:44  jenkins@ci.example.com
                                         ada@example.com
"""
DEFERRED = """\
4B1F2C00D3     2048 Mon Nov 30 05:12:44  jenkins@ci.example.com
(host 198.51.100.1[198.51.100.1] said: 451 4.3.0 later, and again: 12 of 20 (in reply to DATA))
                                         ada@example.com
"""
HELD = """\
4ZFbXj6sNcz1!     731 Mon Nov 30 05:12:45  jenkins@ci.example.com
                                         ada@example.com
"""


@pytest.fixture
def postfix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Postfix:
    """Return an instance whose postqueue prints the listings that a test wrote, one a call."""
    program = tmp_path / "postqueue"
    program.write_text(f'#!/bin/sh\ncd {tmp_path}\necho "$*" >>calls\ncat $(wc -l <calls).txt\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Postfix(tmp_path)


@pytest.mark.parametrize(
    ("listings", "length"),
    [
        ([HEADING + DEFERRED + "\n-- 2 Kbytes in 1 Request.\n"], 1),
        ([HEADING + ACTIVE + "\n" + HELD + "\n-- 2 Kbytes in 2 Requests.\n"], 2),
        ([HEADING + ACTIVE + "\n" + DEFERRED + "\n-- 4 Kbytes in 2 Requests.\n"], 1),
        ([EMPTY, HEADING + ACTIVE + "\n-- 2 Kbytes in 1 Request.\n"], 1),
        ([EMPTY, EMPTY], 0),
    ],
    ids=["waits", "two", "moved on while listed", "moved back while listed", "none"],
)
def test_each_mail_counts_once(
    postfix: Postfix, tmp_path: Path, listings: list[str], length: int
) -> None:
    """A mail that moves between queues while Postfix lists them counts once, not twice or never."""
    for number, listing in enumerate(listings, start=1):
        (tmp_path / f"{number}.txt").write_text(listing)
    assert postfix.queue_length() == length
    assert (tmp_path / "calls").read_text() == f"-c {tmp_path} -p\n" * len(listings)
