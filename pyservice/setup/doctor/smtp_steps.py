"""The steps of a mail to Postfix, and what the first one that fails means.

TCP → greeting → EHLO → MAIL → RCPT → DATA → final dot.

Also a part of the doctor's script for bare pods: Python 3.6, and nothing but its standard library.
"""

# ruff: noqa: UP017, UP035, UP045

import re
import secrets
import socket
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Iterable, Optional

from pyservice.setup.doctor.smtp_session import NoReplyError, Reply, SmtpSession

_CLIENT = re.compile(r"\[(?P<client>[0-9a-fA-F.:]+)\]")
DENIALS = {"Relay access denied": "relay-denied", "Client host rejected": "client-refused"}
_SENDER_REFUSALS = ("Sender address rejected", "Bad sender address")
_DISK_FULL = "Insufficient system storage"
UNKNOWN_NETWORK = "NETWORK"
"""What a cure has in place of a network that is not ours: only the reader knows a right one."""


class FoundError(Exception):
    """The steps end here: something is wrong.

    Args:
        id_: of the catalogue's finding.
        values: for the fields of its sentence and its cure.
    """

    def __init__(self, id_: str, **values: object) -> None:
        self.id, self.values = id_, values
        super().__init__(id_)


class Steps:
    """The steps towards one Postfix.

    A subclass knows more of the place where they are taken: `refused`, `network_around`,
    `client_seen`.
    """

    def __init__(
        self, session: SmtpSession, address: str, port: int, sender: str, recipient: str
    ) -> None:
        """Connect later.

        Args:
            session: a new one.
            address: Postfix' IP address.
            port: Postfix' TCP port.
            sender: of MAIL.
            recipient: of RCPT.
        """
        self.session, self.address, self.port = session, address, port
        self.sender, self.recipient = sender, recipient
        self.message_id = f"<doctor-{secrets.token_hex(8)}@{own_name()}>"
        """The mail's; nobody else can know it, so a line of the log that has it is about ours."""
        self.greeting: Optional[Reply] = None
        """Once there is one that lets us go on."""

    def to_recipient(self, source: Optional[str] = None) -> None:
        """Go from the connection to RCPT.

        Args:
            source: the address to come from; None: as the route says.

        Raises:
            FoundError: the first thing that is wrong.
        """
        self.greeting = greeting = self._greet(source)
        self._command("EHLO", f"EHLO {own_name()}")
        reply = self._command("MAIL", f"MAIL FROM:<{self.sender}>")
        # A greeting may be anything; this reply is Postfix' own.
        if "Postfix" not in greeting.text and "2.1.0 Ok" not in reply.text:
            raise self.finding("not-postfix", text=greeting.text)
        self._command("RCPT", f"RCPT TO:<{self.recipient}>")

    def send_mail(self) -> Reply:
        """Send a mail after RCPT, and return the reply to the final dot.

        Raises:
            FoundError: Postfix refuses it.
        """
        self._command("DATA", "DATA", expected=354)
        return self._command("the final dot", *self._mail(), ".")

    def finding(self, id_: str, **values: object) -> FoundError:
        """Return what is wrong, with the values that every finding may show."""
        return FoundError(id_, address=self.address, port=self.port, sender=self.sender, **values)

    def refused(self) -> FoundError:
        """Return what a refused connection means."""
        return self.finding("refused")

    def network_around(self, _client: str) -> str:
        """Return the network to let in for a client, as CIDR, if it is one of ours."""
        return UNKNOWN_NETWORK

    def client_seen(self, reply: Reply) -> str:
        """Return the address that Postfix saw: that of its reply, else our own."""
        return client_named(reply) or self.session.local

    def _greet(self, source: Optional[str]) -> Reply:
        try:
            greeting = self.session.connect(self.address, self.port, source=source)
        except NoReplyError as silence:
            raise self._no_greeting(silence) from silence
        if greeting.code == 0:
            self.session.close()
            raise self.finding("not-postfix", text=greeting.text)
        if greeting.code != 220:
            raise self._refusal("the greeting", greeting)
        return greeting

    def _no_greeting(self, silence: NoReplyError) -> FoundError:
        if silence.why == "refused":
            return self.refused()
        if silence.why == "filtered":
            network = self.network_around(own_address(self.address))
            iptables = "ip6tables" if ":" in self.address else "iptables"
            return self.finding("filtered", text=silence.text, network=network, iptables=iptables)
        if silence.why == "slow":
            return self.finding("greeting-slow", seconds=f"more than {self.session.timeout:g}")
        return self.finding("not-postfix", text="nothing, and it hangs up")

    def _command(self, name: str, *lines: str, expected: int = 250) -> Reply:
        try:
            reply = self.session.say(*lines)
        except NoReplyError as silence:
            raise self.finding("rejected", command=name, text=silence.text) from silence
        if reply.code != expected:
            raise self._refusal(name, reply)
        return reply

    def _refusal(self, command: str, reply: Reply) -> FoundError:
        text = reply.text
        denial = next((id_ for words, id_ in DENIALS.items() if words in text), None)
        if denial:
            client, own = self.client_seen(reply), self.session.local
            network = self.network_around(client)
            seen = client if client == own else f"{client} (this is {own}: the source is rewritten)"
            return self.finding(denial, seen=seen, network=network, text=text)
        if any(words in text for words in _SENDER_REFUSALS):
            return self.finding("sender-refused", text=text)
        if _DISK_FULL in text:
            return self.finding("disk-full", text=text)
        return self.finding("rejected", command=command, text=text)

    def _mail(self) -> Iterable[str]:
        name = own_name()
        yield from (
            f"From: <{self.sender}>",
            f"To: <{self.recipient}>",
            "Subject: notify-email doctor",
            f"Date: {format_datetime(datetime.now(timezone.utc))}",
            f"Message-ID: {self.message_id}",
            "Auto-Submitted: auto-generated",
            "",
            f"The path from {name} to you is open.",
        )


def client_named(reply: Reply) -> str:
    """Return the client's address that a reply names in brackets; empty: none."""
    match = _CLIENT.search(reply.text)
    return match.group("client") if match else ""


def own_name() -> str:
    """Return this machine's name, where SMTP can say it."""
    name = socket.gethostname()
    return name if name and all(ord(letter) < 128 for letter in name) else "localhost"


def own_address(towards: str) -> str:
    """Return where a connection to an address comes from; without a route the address itself."""
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as nothing_is_sent:
        try:
            nothing_is_sent.connect((towards, 9))
        except OSError:
            return towards
        return str(nothing_is_sent.getsockname()[0])
