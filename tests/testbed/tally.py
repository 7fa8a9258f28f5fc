"""What came out at the relay host, against what was accepted."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MESSAGE_ID = re.compile(rb"(?im)^Message-ID: (\S+)\r$")
_QUEUE_ID = re.compile(rb"\(Postfix\) with \w+ id (\w+)")


@dataclass(frozen=True)
class Count:
    """Of the reports that were accepted: Message-IDs at the relay host's."""

    sent: int
    arrived: int
    told: tuple[str, ...]
    """Doubled, and their histories say that they may be."""
    untold: tuple[str, ...]
    """Doubled, and nobody knows."""
    lost: tuple[str, ...]
    by_postfix: tuple[str, ...]
    """Doubled by Postfix, which is killed, say, between the relay host's reply and its note."""
    without_receipt: tuple[str, ...]
    """There, and yet not `relayed`."""

    @property
    def is_good(self) -> bool:
        """Each arrived, and is doubled at most in the named window."""
        return not self.lost and not self.untold


def counted(
    ids: Mapping[str, str],
    states: Mapping[str, str],
    sunk: Path,
    is_told: Callable[[str], bool],
) -> Count:
    """Count what is there now.

    Args:
        ids: the accepted reports' IDs, and their Message-IDs.
        states: how far each has come.
        sunk: the relay host's folder.
        is_told: whether a report's history says that it may be doubled.
    """
    copies = list(copies_in(sunk))
    arrived = Counter(message_id for message_id, _ in set(copies))
    there = {one for one, message_id in ids.items() if message_id in arrived}
    doubled = {one for one in there if arrived[ids[one]] > 1}
    told = {one for one in doubled if is_told(one)}
    strangers = set(arrived) - set(ids.values())  # whose callers were told that they weren't taken
    return Count(
        sent=len(ids),
        arrived=len(there),
        told=tuple(ids[one] for one in told),
        untold=(*(ids[one] for one in doubled - told), *strangers),
        lost=tuple(f"{ids[one]} {states.get(one)}" for one in set(ids) - there),
        by_postfix=tuple(one for (one, _), count in Counter(copies).items() if count > 1),
        without_receipt=tuple(
            f"{ids[one]} {states[one]}" for one in there if states[one] != "relayed"
        ),
    )


def copies_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Of each mail in a folder its Message-ID, and the ID that it had in Postfix' queue."""
    for file in folder.glob("*.json"):
        head = file.with_suffix(".eml").read_bytes()[:4096]
        message_id, queue_id = _MESSAGE_ID.search(head), _QUEUE_ID.search(head)
        if message_id and queue_id:
            yield message_id[1].decode(), queue_id[1].decode()
