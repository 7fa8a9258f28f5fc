"""The path of a mail from here to the relay host, step by step, up to the first that fails.

Route → the steps of `smtp_steps` → queue ID → Postfix' log → the relay's answer.
"""

import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix import commands, mynetworks
from pyservice.postfix.log import Log, wait_for
from pyservice.postfix.log_line import Delivery
from pyservice.postfix.log_line import Line as LogLine
from pyservice.setup.doctor import evidence
from pyservice.setup.doctor.finding import Finding
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.smtp_session import Line, NoReplyError, Reply, SmtpSession, printable
from pyservice.setup.doctor.smtp_steps import UNKNOWN_NETWORK, FoundError, Steps, client_named
from pyservice.setup.node.detect import Node

_QUEUE_ID = re.compile(r"queued as (?P<id>[0-9A-Za-z]+)")


@dataclass(frozen=True)
class Options:
    """What the doctor is to try."""

    sender: str
    recipient: str
    """Of RCPT; gets a mail only if `is_sent`."""
    is_sent: bool = False
    port: int = 25
    timeout: float = 10.0
    """Seconds for the connection, for each reply, and for the relay's answer in the log."""
    late: float = 3.0
    """Seconds after which a greeting is worth a note."""
    config_dir: Path | None = None
    postfix_log: Path | None = None


class Walk:
    """One walk along the path; what it learns is kept in its attributes."""

    def __init__(
        self,
        node: Node,
        options: Options,
        parameters: Mapping[str, str],
        show: Callable[[Line], object],
    ) -> None:
        """Do nothing yet.

        Args:
            node: what this machine is.
            options: what to try.
            parameters: Postfix', which may name its log.
            show: gets each line of the dialogue at once.
        """
        self.session = SmtpSession(options.timeout, show)
        self.notes: list[Finding] = []
        self.queue_id: str | None = None
        self.relay: str | None = None
        self._node, self._options = node, options
        self._log: Log | None = None
        self._log_missing = ""
        try:
            self._log = evidence.find_log(options.postfix_log, parameters)
        except SetupError as error:
            self._log_missing = str(error)

    def to_relay(self) -> None:
        """Walk all the way.

        Raises:
            FoundError: the first thing that is wrong.
        """
        steps = _NodeSteps(self.session, self._route(), self._options, self._node, self._log)
        try:
            steps.to_recipient(steps.source)
        finally:
            self._note_late(steps.greeting)
        if not self._options.is_sent:
            return
        reply = steps.send_mail()
        self.session.quit()
        if match := _QUEUE_ID.search(reply.text):
            self.queue_id = match["id"]
            self._follow(self.queue_id, steps.message_id)

    def _route(self) -> str:
        """Return the node's address."""
        for candidate in self._node.candidates:
            if candidate.is_chosen:
                text = f"{candidate.address} ({candidate.source}): {candidate.reason}"
                self.session.remark(text)
        if self._node.address:
            return self._node.address
        if self._node.is_container:
            raise FoundError("no-address")
        for bridge in self._node.bridges:
            engine = _engine(bridge.interface)
            raise FoundError("bridge-without-address", interface=bridge.interface, engine=engine)
        raise FoundError("no-bridge", engine=_engine())

    def _note_late(self, greeting: Reply | None) -> None:
        if greeting and greeting.seconds > self._options.late:
            slow = KNOWN["greeting-slow"].finding(seconds=f"{greeting.seconds:.1f}")
            self.notes.append(slow.as_note())

    def _follow(self, queue_id: str, message_id: str) -> None:
        """Wait in Postfix' log for the relay's answer.

        A server names the queue ID; only if the log has our Message-ID with it, it is our mail's.
        """
        if self._log is None:
            missing = KNOWN["log-missing"]
            self.notes.append(missing.finding(queue_id=queue_id, text=self._log_missing))
            return
        seconds = self._options.timeout
        self.session.remark(f"waiting in the log for the relay's answer, for up to {seconds:g} s")
        is_ours = False

        def find_delivery(line: LogLine) -> Delivery | None:
            nonlocal is_ours
            if line.queue_id != queue_id:
                return None
            is_ours |= line.message_id == message_id
            return line.delivery if is_ours else None

        delivery = wait_for(self._log, find_delivery, seconds)
        if delivery is None:
            self.notes.append(
                KNOWN["unanswered"].finding(queue_id=queue_id, seconds=f"{seconds:g}")
            )
            return
        text = printable(delivery.reply)
        if delivery.status != "sent":
            id_ = "deferred" if delivery.status == "deferred" else "bounced"
            raise FoundError(id_, queue_id=queue_id, relay=delivery.relay, text=text)
        self.relay = printable(f"{delivery.relay}: {text}")


class _NodeSteps(Steps):
    """The steps where notify-email is installed: on a node, or in a container."""

    def __init__(
        self, session: SmtpSession, address: str, options: Options, node: Node, log: Log | None
    ) -> None:
        super().__init__(session, address, options.port, options.sender, options.recipient)
        self._log, self._node = log, node
        self._is_on_node = not node.is_container and evidence.is_local(address)

    @property
    def source(self) -> str | None:
        """The address to come from.

        From the bridge's own address Postfix may rightly take nothing; from loopback it does.
        """
        if not self._is_on_node:
            return None
        return "::1" if ":" in self.address else "127.0.0.1"

    def refused(self) -> FoundError:
        """Return whether Postfix is missing, stopped, or serves other addresses only."""
        if not self._is_on_node or listens("127.0.0.1", self.port):
            return self.finding("refused")
        is_installed = commands.find_program("postfix") is not None
        return self.finding("postfix-down" if is_installed else "postfix-missing")

    def network_around(self, client: str) -> str:
        """Return the network to let in for a client, if it is one of this node's containers."""
        return evidence.network_around(client, self._node) or UNKNOWN_NETWORK

    def client_seen(self, reply: Reply) -> str:
        """Return the address that Postfix saw: that of its reply, of its log, or our own."""
        address = mynetworks.address_or_none(client_named(reply) or self._client_logged())
        return str(address) if address else self.session.local

    def _client_logged(self) -> str:
        """Let Postfix refuse a random recipient, and return the client of that line of its log."""
        if self._log is None:
            return ""
        recipient = f"doctor-{secrets.token_hex(8)}@example.com"
        try:
            self.session.say(f"RCPT TO:<{recipient}>")
        except NoReplyError:
            return ""
        return evidence.rejected_client(self._log, recipient)


def _engine(interface: str = "") -> str:
    """Return the unit of the engine that makes a bridge, by default of one that is installed."""
    if interface.startswith(("docker", "br-")):
        return "docker"
    if "podman" in interface:
        return "podman"
    if interface in {"cni0", "cbr0"}:
        return "k3s" if commands.find_program("k3s") else "kubelet"
    units = {"dockerd": "docker", "k3s": "k3s", "kubelet": "kubelet", "podman": "podman"}
    installed = (unit for program, unit in units.items() if commands.find_program(program))
    return next(installed, "ENGINE")


def listens(host: str, port: int) -> bool:
    """Return whether something listens at a TCP port."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
