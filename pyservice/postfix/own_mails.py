"""Which mails in Postfix' log are the service's own.

Anybody who has one of our mails knows its Message-ID, and can write another mail with it. So a mail
is ours only if it also came from this machine by SMTP, with our sender. Not even that is a proof: a
program on this machine can do the same. So once a mail has ended, the outbox trusts only the queue
IDs that Postfix replied to us.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TypeVar

from pyservice.identity import report_id_of
from pyservice.postfix.log_line import Line

MAX_MAILS = 2000
"""Mails that are known at the same time: only until Postfix' reply is in the outbox."""

_QUEUED = re.compile(r"from=<(?P<sender>.*)>, size=\d+, nrcpt=(?P<count>\d+) \(queue active\)")


_T = TypeVar("_T")


class Newest(dict[str, _T]):
    """A dict by queue ID that forgets the oldest of more than MAX_MAILS items."""

    def __setitem__(self, queue_id: str, value: _T) -> None:
        super().__setitem__(queue_id, value)
        if len(self) > MAX_MAILS:
            del self[next(iter(self))]


class OwnMails:
    """The mails in Postfix' queue that are ours, by their queue IDs; of many the newest."""

    def __init__(
        self,
        smtp_host: str,
        known: Iterable[tuple[str, str]] = (),
        clients: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Begin with what was known before.

        Args:
            smtp_host: the setting SMTP_HOST. A connection to an address of this machine comes from
                that same address.
            known: the items of `report_ids`, as they were.
            clients: the items of `clients`, as they were.
        """
        self._smtp_host = smtp_host
        self.report_ids: Newest[str] = Newest(known)
        """The report ID of each of our mails, by queue ID."""
        self.clients: Newest[str] = Newest(clients)
        """The address, of this machine, from which a mail came whose Message-ID is not logged yet,
        by queue ID."""

    def learn(self, line: Line, sender: str) -> int:
        """Learn from a line which mails are ours.

        Args:
            line: the next one of Postfix' log.
            sender: the envelope sender of our mails.

        Returns:
            For how many recipients a mail of ours was queued; 0: the line is another one.
        """
        queue_id = line.queue_id
        if (client := line.client) is not None:
            self.clients.pop(queue_id, None)
            if self._is_here(client):
                self.clients[queue_id] = client
        elif (message_id := line.message_id) is not None:
            self.report_ids.pop(queue_id, None)
            is_from_here = self.clients.pop(queue_id, None) is not None
            if is_from_here and (report_id := report_id_of(message_id)):
                self.report_ids[queue_id] = report_id
        elif line.is_end:
            self.report_ids.pop(queue_id, None)
        elif queue_id in self.report_ids and (queued := _QUEUED.fullmatch(line.text)):
            if queued["sender"].lower() == sender.lower():
                return int(queued["count"])
            del self.report_ids[queue_id]
        return 0

    def _is_here(self, address: str) -> bool:
        try:
            return address == self._smtp_host or ip_address(address).is_loopback
        except ValueError:  # no address, or none that was logged
            return False
