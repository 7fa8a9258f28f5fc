"""The whole network: a node with docker0, a container behind it, a relay host, an outsider."""

import itertools
import json
import os
import shutil
import sys
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, Self

from tests.builders.owned import make_folder
from tests.builders.patience import TIMEOUT
from tests.testbed import namespaces
from tests.testbed.namespaces import Namespace, ip
from tests.testbed.node import Node
from tests.testbed.postfix import Postfix
from tests.testbed.waiting import until

BRIDGE = "172.22.91.1"
CONTAINER = "172.22.91.2"
RELAY = "198.51.100.1"
SERVICE = f"http://{BRIDGE}:8525"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mail:
    """A mail that the relay host got."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def text(self, subtype: Literal["plain", "html"]) -> str:
        """Return the body of that type, with line ends of Unix."""
        part = self.message.get_body((subtype,))
        assert part is not None, f"The mail has no text/{subtype}."
        return str(part.get_content()).replace("\r\n", "\n")


class Testbed:
    """The whole network; it is made on entry, and removed on exit and after any failure."""

    __test__ = False  # for pytest: this is no test

    def __enter__(self) -> Self:
        """Make the relay host with its sink, a node, a container on it, and an outsider."""
        self._made: list[Namespace] = []
        namespaces.clear_leftovers()
        self.folder = make_folder()
        self._numbers = itertools.count(1)
        try:
            self._make_relay()
            self.node = self.add_node()
            self.container = self.add_container(self.node, CONTAINER)
            self.outsider = self.add_outsider(self.node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove everything."""
        while self._made:
            self._made.pop().remove()
        shutil.rmtree(self.folder)

    def add_node(self, bridge: str = BRIDGE, **settings: str) -> Node:
        """Make a node, with its Postfix running.

        Args:
            bridge: its bridge's address; other nodes may have the same.
            settings: of main.cf, beside or instead of the usual ones.
        """
        number = next(self._numbers)
        node = Node(f"node{number}", bridge=bridge, folder=self.folder / f"node{number}")
        self._made.append(node)
        self._join_uplink(node, f"198.51.100.{10 + number}")
        node.install_postfix(RELAY, {"myhostname": f"node{number}.ci.example.com", **settings})
        return node

    def add_container(self, node: Node, address: str) -> Namespace:
        """Make a container on a node's bridge, or a pod, whose address is of another network."""
        container = self._namespace(f"pod{next(self._numbers)}")
        node.attach(container, address)
        return container

    def add_outsider(self, node: Node) -> Namespace:
        """Make a machine outside of mynetworks, a neighbour that can reach a node's bridge."""
        number = next(self._numbers)
        outsider = self._namespace(f"outsider{number}")
        node_side, own_side = f"203.0.113.{4 * number + 1}", f"203.0.113.{4 * number + 2}"
        outsider.join("eth0", f"{own_side}/30", node, f"outside{number}")
        node.address(f"outside{number}", f"{node_side}/30")
        outsider.route(f"{node.bridge}/32", via=node_side)
        return outsider

    def _make_relay(self) -> None:
        self.relay = self._namespace("relay")
        self.relay.add_bridge("lan", f"{RELAY}/24")
        self.sunk = self.folder / "sunk"
        self.sunk.mkdir()
        self.start_relay()

    def _join_uplink(self, node: Node, address: str) -> None:
        port = f"veth{address.rpartition('.')[2]}"
        node.join("uplink", f"{address}/24", self.relay, port)
        ip("-n", self.relay.name, "link", "set", port, "master", "lan")

    def _namespace(self, role: str) -> Namespace:
        made = Namespace(role)
        self._made.append(made)
        return made

    def start_relay(self) -> None:
        """Let the relay host take connections."""
        self._sink = self.relay.start(
            sys.executable,
            "-m",
            "tests.testbed.sink",
            RELAY,
            "25",
            str(self.sunk),
            log=self.folder / "sink.log",
            env={"PYTHONPATH": str(ROOT)},
        )
        self.relay.wait_for_port(25, listening=True)

    def stop_relay(self) -> None:
        """Let the relay host refuse connections."""
        self._sink.terminate()
        self._sink.wait()

    @property
    def postfix(self) -> Postfix:
        """The first node's Postfix."""
        return self.node.postfix

    @property
    def token(self) -> str:
        """The token that Jenkins has for the first node's service."""
        return self.node.make_token()

    def mails(self) -> list[Mail]:
        """Return the mails that the relay host got, in order."""
        envelopes = sorted(self.sunk.glob("*.json"), key=lambda file: int(file.stem))
        return [
            Mail(**json.loads(file.read_text()), content=file.with_suffix(".eml").read_bytes())
            for file in envelopes
        ]

    def wait_for_mails(self, count: int) -> list[Mail]:
        """Wait until the relay host has got so many mails; return them."""

        def describe() -> str:
            queue = self.postfix.queue() if self.postfix.is_running() else "Postfix is stopped"
            return f"{len(self.mails())} of {count} mails. {queue}"

        until(lambda: len(self.mails()) >= count, describe, pause=0.1)
        return self.mails()

    def relay_answers(self, reply: str | None, *, at: str = "data") -> None:
        """Let the relay host refuse every mail with a reply, or take them again.

        Args:
            reply: such as `451 4.3.0 later`; None: take them.
            at: the command that gets the reply: mail, rcpt or data (its final dot).
        """
        for command in ("mail", "rcpt", "data"):
            (self.sunk / f"reply-{command}").unlink(missing_ok=True)
        if reply is not None:
            (self.sunk / f"reply-{at}").write_text(reply)

    def reset(self) -> None:
        """Stop the service, empty relay host and queue, and let the relay host take mail."""
        self.stop_service()
        self.relay_answers(None)
        if self._sink.poll() is not None:
            self.start_relay()
        if not self.postfix.is_running():
            self.postfix.start()
        self.postfix.empty()
        for file in self.sunk.iterdir():
            if file.stem.isdigit():
                file.unlink()

    def start_service(self, **settings: Any) -> None:
        """Start the first node's service; settings are NOTIFY_EMAIL_…."""
        self.node.start_service(**settings)

    def stop_service(self, *, kill: bool = False) -> None:
        """End the first node's service, with `kill` by SIGKILL; the outbox stays."""
        self.node.stop_service(kill=kill)

    def forget(self) -> None:
        """Remove the outbox of a service that is stopped."""
        self.node.forget()

    def speak_smtp(self, machine: Namespace, mail: str, host: str = BRIDGE) -> list[str]:
        """Send a mail by hand, from a machine to a host's port 25; return the replies, in order.

        The first is the greeting, and a refusal is the last; none at all: nobody listens.

        Args:
            machine: the sender's.
            mail: the whole message, with CRLF.
            host: the receiver's address.
        """
        script = str(Path(__file__).with_name("speak_smtp.py"))
        people = ("jenkins@ci.example.com", "ada@example.com")
        done = machine.run(sys.executable, script, host, "25", *people, text=mail)
        assert done.returncode == 0, done.stderr
        replies: list[str] = json.loads(done.stdout)
        return replies

    def curl(self, path: str, *arguments: str, body: str | None = None) -> namespaces.Completed:
        """Send the service a request from within the container, with the token."""
        return self.node.curl(self.container, path, *arguments, body=body)

    def post(self, report: dict[str, Any]) -> dict[str, Any]:
        """POST a report from within the container; return the answer."""
        done = self.curl("/v1/reports", body=json.dumps(report))
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def status(self, answer: dict[str, Any], state: str = "accepted") -> dict[str, Any]:
        """Wait until a report is in a state; return its status."""
        status: dict[str, Any] = {}

        def is_reached() -> bool:
            status.update(json.loads(self.curl(f"/v1/reports/{answer['id']}").stdout))
            return bool(status["state"] == state)

        until(is_reached, lambda: f"the report is {state}: {status}", pause=0.1)
        return status

    def states(self, answers: list[dict[str, Any]]) -> list[str]:
        """Return the states of some reports."""
        return [
            json.loads(self.curl(f"/v1/reports/{answer['id']}").stdout)["state"]
            for answer in answers
        ]

    def pipeline(self, source: str, sample: str, *, trusted: bool) -> dict[str, Any]:
        """Run a Pipeline with the step within the container, as Jenkins does; return its result."""
        file = self.folder / "Pipeline.groovy"
        file.write_text(source)
        classpath = (ROOT / "target" / "test-classpath.txt").read_text().strip()
        opens = [
            f"--add-opens=java.base/{name}=ALL-UNNAMED"
            for name in ("java.lang", "java.util", "java.lang.reflect", "java.net")
        ]
        done = self.container.run(
            "env",
            "-C",
            str(ROOT),
            "java",
            *opens,
            "-Dfile.encoding=UTF-8",
            "-cp",
            f"target/test-classes{os.pathsep}{classpath}",
            "harness.RunPipeline",
            "--sample",
            f"pyservice/samples/{sample}",
            "--pipeline",
            str(file),
            "--global",
            f"NOTIFY_EMAIL_URL={SERVICE}",
            "--credential",
            f"notify-email-token={self.token}",
            "--env",
            "NOTIFY_EMAIL_CREDENTIALS_ID=notify-email-token",
            *(["--trusted"] if trusted else []),
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result
