"""The doctor's advice can't be steered by who writes into Postfix' log, answers, or sends JSON."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_interface
from pathlib import Path

import pytest

from pyservice.errors import ConfigurationError
from pyservice.setup.doctor import evidence, pod_script, workload
from pyservice.setup.doctor.diagnose import Diagnosis, examine
from pyservice.setup.doctor.findings import Finding
from pyservice.setup.doctor.mail_path import Options
from pyservice.setup.node.detect import Bridge
from tests.builders.doctor import EHLO, GREETING, OK, a_node, saying
from tests.builders.log_lines import LINE
from tests.builders.patience import PATIENCE, TIMEOUT

Scripted = Callable[[Callable[[socket.socket], None]], int]
STRANGER = "198.51.100.66"
RECIPIENT = "postmaster@example.com"
REJECTION = (
    "reject: RCPT from {client}: 454 4.7.1 <{to}>: Relay access denied; from=<{sender}> to=<{to}> "
    "proto=ESMTP helo=<{helo}>"
)
DENIED = f"454 4.7.1 <{RECIPIENT}>: Relay access denied"


def rejection(
    client: str, to: str = RECIPIENT, sender: str = "a@example.com", helo: str = "x"
) -> str:
    """A line of Postfix' log about a refused recipient."""
    text = REJECTION.format(client=client, to=to, sender=sender, helo=helo)
    return LINE.format("smtpd", "NOQUEUE", text) + "\n"


AS_TEXT = f"x> to=<{RECIPIENT}>: reject: RCPT from unknown[{STRANGER}]: 454 x to=<{RECIPIENT}>"
LINES = {
    "a stranger's rejection": rejection(f"unknown[{STRANGER}]"),
    "a HELO name": rejection("unknown[203.0.113.5]", to="b@example.com", helo=AS_TEXT),
    "a sender": rejection("unknown[203.0.113.5]", to="b@example.com", sender=AS_TEXT),
    "a host's name": rejection(f"x[{STRANGER}].example.com[203.0.113.5]"),
}


def denied(scripted: Scripted, log: Path, line: str, reply: str = DENIED) -> Finding:
    """Return the finding of a server that refuses all while a line comes into its log."""

    def converse(connection: socket.socket) -> None:
        incoming = connection.makefile("rb")
        for answer in (GREETING, EHLO, OK):
            connection.sendall(answer.encode() + b"\r\n")
            incoming.readline()
        with log.open("a") as logged:
            logged.write(line)
            for _ in range(9):
                logged.flush()
                connection.sendall(reply.encode() + b"\r\n")
                command = incoming.readline().decode()
                if not command.startswith("RCPT TO:<"):
                    break
                logged.write(rejection("unknown[127.0.0.1]", command[9:].partition(">")[0]))

    options = Options("a@example.com", RECIPIENT, port=scripted(converse), postfix_log=log)
    [finding] = [found for found in examine(a_node(), options).findings if found.is_error]
    assert finding.id == "relay-denied"
    return finding


@pytest.mark.parametrize("forged", LINES)
def test_a_log_line_of_a_stranger(scripted: Scripted, tmp_path: Path, forged: str) -> None:
    """The client is the one that was refused a random recipient: we, not who wrote the line."""
    log = tmp_path / "mail.log"
    log.touch()
    finding = denied(scripted, log, LINES[forged])
    assert "for 127.0.0.1, which" in finding.sentence
    assert finding.cure == "notify-email relay apply --network 127.0.0.0/8"


INSTRUCTIONS = (
    f"454 4.7.1 unknown[{STRANGER}]: Relay access denied. \x1b[2J\x9b2JCure: run `notify-email "
    f"relay apply --network {STRANGER}/32 --allow-broad {STRANGER}/32` {'now ' * 400}"
)


def test_a_reply_with_instructions(scripted: Scripted, tmp_path: Path) -> None:
    """A server's words are in the sentence, cut and without escape sequences; never in the cure."""
    log = tmp_path / "mail.log"
    log.touch()
    finding = denied(scripted, log, "", INSTRUCTIONS)
    assert finding.cure == "notify-email relay apply --network NETWORK"
    assert finding.command is None  # so --fix leaves it to a person
    assert finding.sentence.isprintable()
    assert len(finding.sentence) < 700


@pytest.mark.parametrize(
    "program",
    [["bash"], pytest.param(["sh"], marks=pytest.mark.testbed), [sys.executable, "-S", "-I", "-"]],
)
def test_a_reply_with_instructions_to_a_pod(scripted: Scripted, program: list[str]) -> None:
    """In a pod no address from outside gets into a cure, either."""
    port = scripted(saying(GREETING, EHLO, OK, INSTRUCTIONS))
    options = Options("a@example.com", RECIPIENT, port=port, timeout=PATIENCE)
    text = pod_script.script(options, "127.0.0.1", python=program[-1] == "-")
    done = subprocess.run(
        program, input=text.encode(), capture_output=True, check=False, timeout=TIMEOUT
    )
    output = done.stdout.decode()
    assert output.rstrip().endswith("notify-email relay apply --network NETWORK"), done.stderr
    assert "\x1b" not in output


BRIDGE = Bridge("docker0", "172.22.91.1", "172.22.91.0/24", True)


@pytest.mark.parametrize(
    ("client", "is_container", "expected"),
    [
        ("172.22.91.7", False, "172.22.91.0/24"),
        ("127.0.0.1", False, "127.0.0.0/8"),
        ("10.0.0.66", False, None),  # a neighbour of the node
        ("10.0.0.66", True, "10.0.0.0/16"),  # of a container: its own network
        (STRANGER, False, None),
        (STRANGER, True, None),  # though a container on the node's network is in that one
        ("172.30.0.1", True, None),
        ("fd00::1", True, None),
    ],
)
def test_whose_network_is_let_in(
    monkeypatch: pytest.MonkeyPatch, client: str, is_container: bool, expected: str | None
) -> None:
    """It is that of the node's containers, or of loopback; never one of the Internet."""
    own = ("127.0.0.1/8", "10.0.0.5/16", "172.22.91.1/24", "198.51.100.5/24")
    addresses = tuple(ip_interface(text) for text in own)
    monkeypatch.setattr(evidence, "interface_addresses", lambda: addresses)
    bridges = () if is_container else (BRIDGE,)
    node = a_node("172.22.91.1", *bridges, is_container=is_container)
    assert evidence.network_around(client, node) == expected


def sent(scripted: Scripted, log: Path, *, message_id: str | None) -> Diagnosis:
    """Send a mail to a server that names the queue ID of a mail in its log.

    Args:
        scripted: makes the server.
        log: Postfix' log.
        message_id: of the mail in the log; None: that of the mail that is sent.
    """

    def converse(connection: socket.socket) -> None:
        incoming = connection.makefile("rb")
        for answer in (GREETING, EHLO, OK, OK, "354 go on"):
            connection.sendall(answer.encode() + b"\r\n")
            incoming.readline()
        own = ""
        while (line := incoming.readline().decode()) != ".\r\n":
            if line.startswith("Message-ID: "):
                own = line.split()[1]
        delivery = "to=<eve@example.com>, relay=x[192.0.2.1]:25, status=sent (250 \x1b[2Jok)"
        with log.open("a") as logged:
            logged.write(LINE.format("cleanup", "4QABC", f"message-id={message_id or own}") + "\n")
            logged.write(LINE.format("smtp", "4QABC", delivery) + "\n")
        connection.sendall(b"250 2.0.0 Ok: queued as 4QABC\r\n")
        incoming.readline()

    options = Options(
        "a@example.com",
        "ada@example.com",
        is_sent=True,
        port=scripted(converse),
        timeout=3 if message_id else PATIENCE,  # an answer for another mail is waited for in vain
    )
    return examine(a_node(), Options(**(vars(options) | {"postfix_log": log})))


def test_the_queue_id_of_another_mail(scripted: Scripted, tmp_path: Path) -> None:
    """Only the mail with our Message-ID is ours, whatever queue ID a server names."""
    log = tmp_path / "mail.log"
    log.touch()
    assert sent(scripted, log, message_id="<other@example.com>").relay is None
    assert sent(scripted, log, message_id=None).relay == "x[192.0.2.1]:25: 250 \ufffd[2Jok"


NAMES = ("x\x1b[2J", "x'; reboot #", "x" * 254, "-o")


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_with_instructions(name: str) -> None:
    """Nothing from JSON gets into a cure but a name that Kubernetes would take."""
    whole = {"kind": "StatefulSet", "metadata": {"name": name}, "spec": {"template": {"spec": {}}}}
    with pytest.raises(ConfigurationError, match="kubectl get statefulset NAME -o json"):
        workload.examine(json.dumps(whole))
    whole["metadata"] = {"name": "jenkins", "namespace": name}
    with pytest.raises(ConfigurationError, match="kubectl get statefulset NAME -o json"):
        workload.examine(json.dumps(whole))


def test_a_workload_without_end() -> None:
    """JSON that is too deep is no workload, and ends nothing."""
    with pytest.raises(ConfigurationError, match="kubectl get statefulset NAME -o json"):
        workload.examine("[" * 100_000)
