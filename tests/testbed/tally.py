"""Compares the mails at the relay host with the reports that were accepted."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MESSAGE_ID = re.compile(rb"(?im)^Message-ID: (\S+)\r$")
_QUEUE_ID = re.compile(rb"\(Postfix\) with \w+ id (\w+)")


@dataclass(frozen=True)
class Count:
    """How many of the accepted reports arrived at the relay host, and how often."""

    sent: int
    arrived: int
    noted: tuple[str, ...]
    """The Message-IDs of doubled mails whose history says that they may be doubled."""
    unnoted: tuple[str, ...]
    """The Message-IDs of doubled mails whose history does not say so."""
    lost: tuple[str, ...]
    """The Message-IDs and states of reports that did not arrive."""
    by_postfix: tuple[str, ...]
    """The Message-IDs of mails that Postfix itself doubled, such as when it was killed."""
    without_receipt: tuple[str, ...]
    """The Message-IDs and states of reports that arrived, and are not `relayed`."""

    @property
    def is_good(self) -> bool:
        """Whether each report arrived, and each doubled one has a note."""
        return not self.lost and not self.unnoted


def count_arrivals(
    ids: Mapping[str, str],
    states: Mapping[str, str],
    sunk: Path,
    is_noted: Callable[[str], bool],
) -> Count:
    """Count the mails that are at the relay host now.

    Args:
        ids: the accepted reports' IDs, and their Message-IDs.
        states: the reports' states, by their IDs.
        sunk: the relay host's folder.
        is_noted: whether a report's history says that it may be doubled.
    """
    copies = list(copies_in(sunk))
    arrived = Counter(message_id for message_id, _ in set(copies))
    there = {report for report, message_id in ids.items() if message_id in arrived}
    doubled = {report for report in there if arrived[ids[report]] > 1}
    noted = {report for report in doubled if is_noted(report)}
    unaccepted = set(arrived) - set(ids.values())  # their callers did not get a 202
    return Count(
        sent=len(ids),
        arrived=len(there),
        noted=tuple(ids[report] for report in noted),
        unnoted=(*(ids[report] for report in doubled - noted), *unaccepted),
        lost=tuple(f"{ids[report]} {states.get(report)}" for report in set(ids) - there),
        by_postfix=tuple(mail for (mail, _), count in Counter(copies).items() if count > 1),
        without_receipt=tuple(
            f"{ids[report]} {states[report]}" for report in there if states[report] != "relayed"
        ),
    )


def copies_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Return each mail's Message-ID and the queue ID that Postfix gave it."""
    for file in folder.glob("*.json"):
        head = file.with_suffix(".eml").read_bytes()[:4096]
        message_id, queue_id = _MESSAGE_ID.search(head), _QUEUE_ID.search(head)
        if message_id and queue_id:
            yield message_id[1].decode(), queue_id[1].decode()
