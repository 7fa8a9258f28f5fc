"""The path of a mail from here to the relay host, step by step, up to the first that fails.

Route → the steps of `smtp_steps` → queue ID → Postfix' log → the relay's answer.
"""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix import commands, mynetworks
from pyservice.postfix.log import Log, wait_for
from pyservice.setup.doctor import evidence
from pyservice.setup.doctor.findings import KNOWN, Finding
from pyservice.setup.doctor.smtp_session import Line, Reply, SmtpSession, printable
from pyservice.setup.doctor.smtp_steps import FoundError, Steps, client_named
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
            self._follow(self.queue_id)

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
        raise FoundError("no-bridge")

    def _note_late(self, greeting: Reply | None) -> None:
        if greeting and greeting.seconds > self._options.late:
            slow = KNOWN["greeting-slow"].finding(seconds=f"{greeting.seconds:.1f}")
            self.notes.append(slow.as_note())

    def _follow(self, queue_id: str) -> None:
        """Wait in Postfix' log for the relay's answer."""
        if self._log is None:
            missing = KNOWN["log-missing"]
            self.notes.append(missing.finding(queue_id=queue_id, text=self._log_missing))
            return
        seconds = self._options.timeout
        self.session.remark(f"waiting in the log for the relay's answer, for up to {seconds:g} s")
        delivery = wait_for(
            self._log, lambda line: line.delivery if line.queue_id == queue_id else None, seconds
        )
        if delivery is None:
            self.notes.append(
                KNOWN["unanswered"].finding(queue_id=queue_id, seconds=f"{seconds:g}")
            )
            return
        text = printable(delivery.reply)
        if delivery.status != "sent":
            id_ = "deferred" if delivery.status == "deferred" else "bounced"
            raise FoundError(id_, queue_id=queue_id, relay=delivery.relay, text=text)
        self.relay = f"{delivery.relay}: {text}"


class _NodeSteps(Steps):
    """The steps where notify-email is installed: on a node, or in a container."""

    def __init__(
        self, session: SmtpSession, address: str, options: Options, node: Node, log: Log | None
    ) -> None:
        super().__init__(session, address, options.port, options.sender, options.recipient)
        self._log = log
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
        if not self._is_on_node or _listens("127.0.0.1", self.port):
            return self.finding("refused")
        is_installed = commands.find_program("postfix") is not None
        return self.finding("postfix-down" if is_installed else "postfix-missing")

    def network_around(self, client: str) -> str:
        """Return the network of the interface that a client is at, else itself alone."""
        return evidence.network_around(client)

    def client_seen(self, reply: Reply) -> str:
        """Return the address that Postfix saw: that of its reply, of its log, or our own."""
        client = client_named(reply)
        if self._log and not client:
            client = evidence.rejected_client(self._log, self.recipient)
        address = mynetworks.address_or_none(client)
        return str(address) if address else self.session.local


def _engine(interface: str) -> str:
    """Return the service that gives a bridge its address."""
    return {"cni0": "kubelet", "cbr0": "kubelet", "podman0": "podman"}.get(interface, "docker")


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
