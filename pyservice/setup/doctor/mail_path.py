"""The way of a mail from here to the relay host, step by step, up to the first that fails.

Route → TCP → greeting → EHLO → MAIL → RCPT → DATA → queue ID → Postfix' log → the relay's answer.
"""

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, make_msgid
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix import commands, mynetworks
from pyservice.postfix.log import Log, wait_for
from pyservice.setup.doctor import evidence
from pyservice.setup.doctor.findings import KNOWN, Finding
from pyservice.setup.doctor.smtp_session import Dialogue, Line, Reply, SilenceError, printable
from pyservice.setup.node.detect import Node

LATE = 3.0
"""Seconds after which a greeting that came is worth a note."""

_QUEUE_ID = re.compile(r"queued as (?P<id>[0-9A-Za-z]+)")
_IN_BRACKETS = re.compile(r"\[(?P<client>[0-9a-fA-F.:]+)\]")
_DENIALS = ("Relay access denied", "Client host rejected")
_SENDERS = ("Sender address rejected", "Bad sender address")
_FULL = "Insufficient system storage"


@dataclass(frozen=True)
class Order:
    """What the doctor is to try."""

    sender: str
    recipient: str
    """Of the RCPT; gets a mail only if `is_sent`."""
    is_sent: bool = False
    port: int = 25
    timeout: float = 10.0
    """Seconds for the connection, for each reply, and for the relay's answer in the log."""
    config_dir: Path | None = None
    postfix_log: Path | None = None


class FoundError(Exception):
    """The walk ends here, with its `finding`."""

    def __init__(self, id_: str, **values: object) -> None:
        self.finding: Finding = KNOWN[id_].found(**values)
        super().__init__(self.finding.sentence)


class Walk:
    """One walk; what it comes by is kept in its attributes."""

    def __init__(
        self,
        node: Node,
        order: Order,
        parameters: Mapping[str, str],
        tell: Callable[[Line], None],
    ) -> None:
        """Nothing is done yet.

        Args:
            node: what this machine is.
            order: what to try.
            parameters: Postfix', which may tell where its log is.
            tell: gets each line of the conversation at once.
        """
        self.dialogue = Dialogue(order.timeout, tell)
        self.notes: list[Finding] = []
        self.queue_id: str | None = None
        self.relay: str | None = None
        self._node, self._order = node, order
        self._is_postfix = False
        self._log: Log | None = None
        self._no_log = ""
        try:
            self._log = evidence.open_log(order.postfix_log, parameters)
        except SetupError as error:
            self._no_log = str(error)

    def to_the_relay(self) -> None:
        """All the way.

        Raises:
            FoundError: the first thing that is wrong.
        """
        address = self._route()
        greeting = self._greeting(address)
        self._ask("EHLO", f"EHLO {_own_name()}")
        reply = self._ask("MAIL", f"MAIL FROM:<{self._order.sender}>")
        # A greeting may be anything; this reply is Postfix' own.
        if not self._is_postfix and "2.1.0 Ok" not in reply.text:
            raise self._not_postfix(address, greeting.text)
        self._is_postfix = True
        self._ask("RCPT", f"RCPT TO:<{self._order.recipient}>")
        if not self._order.is_sent:
            return
        self._ask("DATA", "DATA")
        reply = self._ask("the final dot", *self._mail(), ".")
        self.dialogue.quit()
        if queued := _QUEUE_ID.search(reply.text):
            self.queue_id = queued["id"]
            self._follow(self.queue_id)

    def _route(self) -> str:
        for option in self._node.candidates:
            if option.is_chosen:
                self.dialogue.remark(f"{option.address} ({option.source}): {option.reason}")
        if self._node.address:
            return self._node.address
        if self._node.is_container:
            raise FoundError("no-address")
        for bridge in self._node.bridges:
            raise FoundError(
                "bridge-without-address",
                interface=bridge.interface,
                engine=_engine(bridge.interface),
            )
        raise FoundError("no-bridge")

    def _greeting(self, address: str) -> Reply:
        port = self._order.port
        # From the bridge's own address Postfix may rightly take nothing; from loopback it does.
        is_here = not self._node.is_container and evidence.is_local(address)
        source = ("::1" if ":" in address else "127.0.0.1") if is_here else None
        try:
            greeting = self.dialogue.connect(address, port, source=source)
        except SilenceError as silence:
            raise self._no_greeting(silence, address, is_here=is_here) from silence
        if greeting.code == 0:
            self.dialogue.close()
            raise self._not_postfix(address, greeting.text)
        self._is_postfix = "Postfix" in greeting.text
        if greeting.code != 220:
            raise self._refusal("the greeting", greeting)
        if greeting.seconds > LATE:
            slow = KNOWN["greeting-slow"]
            self.notes.append(slow.found(seconds=f"{greeting.seconds:.1f}").as_note())
        return greeting

    def _no_greeting(self, silence: SilenceError, address: str, *, is_here: bool) -> FoundError:
        where = {"address": address, "port": self._order.port}
        match silence.why:
            case "refused":
                if not is_here or _listens("127.0.0.1", self._order.port):
                    return FoundError("refused", **where)
                is_there = commands.find_program("postfix") is not None
                return FoundError("postfix-down" if is_there else "postfix-missing", **where)
            case "filtered":
                network = evidence.network_around(evidence.own_address(address))
                told = {"text": silence.text, "network": network, "iptables": _iptables(network)}
                return FoundError("filtered", **told, **where)
            case "slow":
                seconds = f"more than {self._order.timeout:g}"
                return FoundError("greeting-slow", seconds=seconds)
            case "closed":
                return self._not_postfix(address, "nothing, and it hangs up")

    def _not_postfix(self, address: str, text: str) -> FoundError:
        return FoundError("not-postfix", address=address, port=self._order.port, text=text)

    def _ask(self, command: str, *lines: str) -> Reply:
        expected = 354 if command == "DATA" else 250
        try:
            reply = self.dialogue.say(*lines)
        except SilenceError as silence:
            raise FoundError("rejected", command=command, text=silence.text) from silence
        if reply.code != expected:
            raise self._refusal(command, reply)
        return reply

    def _refusal(self, command: str, reply: Reply) -> FoundError:
        if any(words in reply.text for words in _DENIALS):
            seen = self._seen(reply)
            network = evidence.network_around(seen)
            return FoundError(
                "relay-denied", seen=self._told(seen), network=network, text=reply.text
            )
        if any(words in reply.text for words in _SENDERS):
            return FoundError("sender-refused", sender=self._order.sender, text=reply.text)
        if _FULL in reply.text:
            return FoundError("disk-full", text=reply.text)
        return FoundError("rejected", command=command, text=reply.text)

    def _seen(self, reply: Reply) -> str:
        """Whom Postfix saw: by its reply, by its log, or as far as we know."""
        told = _IN_BRACKETS.search(reply.text)
        logged = ""
        if self._log and not told:
            logged = evidence.rejected_client(self._log, self._order.recipient)
        seen = mynetworks.address_or_none(told["client"] if told else logged)
        return str(seen) if seen else self.dialogue.local

    def _told(self, seen: str) -> str:
        own = self.dialogue.local
        return seen if seen == own else f"{seen} (this is {own}: the source is rewritten)"

    def _mail(self) -> Iterable[str]:
        name = _own_name()
        yield from (
            f"From: <{self._order.sender}>",
            f"To: <{self._order.recipient}>",
            "Subject: notify-email doctor",
            f"Date: {format_datetime(datetime.now(UTC))}",
            f"Message-ID: {make_msgid('doctor', domain=name)}",
            "Auto-Submitted: auto-generated",
            "",
            f"The way from {name} to you is open.",
        )

    def _follow(self, queue_id: str) -> None:
        if self._log is None:
            missing = KNOWN["log-missing"]
            self.notes.append(missing.found(queue_id=queue_id, text=self._no_log))
            return
        seconds = self._order.timeout
        self.dialogue.remark(f"waiting in the log for the relay's answer, for up to {seconds:g} s")
        delivery = wait_for(
            self._log, lambda line: line.delivery if line.queue_id == queue_id else None, seconds
        )
        if delivery is None:
            self.notes.append(KNOWN["unanswered"].found(queue_id=queue_id, seconds=f"{seconds:g}"))
            return
        text = printable(delivery.reply)
        if delivery.status != "sent":
            kind = "deferred" if delivery.status == "deferred" else "bounced"
            raise FoundError(kind, queue_id=queue_id, relay=delivery.relay, text=text)
        self.relay = f"{delivery.relay}: {text}"


def _iptables(network: str) -> str:
    return "ip6tables" if ":" in network else "iptables"


def _engine(interface: str) -> str:
    """The service that gives a bridge its address."""
    return {"cni0": "kubelet", "cbr0": "kubelet", "podman0": "podman"}.get(interface, "docker")


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def _own_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name else "localhost"
