"""What we read in Postfix' access rules, against what the real Postfix does with them."""

import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from pyservice.postfix import restrictions
from pyservice.postfix.interfaces import find_interface_faults
from pyservice.postfix.mynetworks import NetworkEntry, is_listed, parse_entries
from pyservice.postfix.network_tables import read_contents
from pyservice.postfix.restrictions import Decision
from tests.testbed.network import Testbed
from tests.testbed.node import Node
from tests.testbed.waiting import until

CLIENTS = ("172.22.91.2", "1.2.3.4", "10.0.0.1", "fd00::1")
ENTRIES = (
    *("172.22.0.0/16", "172.22.91.1/16", "172.22.0.0", "172.22.91.2", "172.22.91.2."),
    *(
        "172.22.0.0/",
        "172.22.0.0/255.255.0.0",
        "172.22.0.0/-1",
        "172.22.0.0/1 6",
        "172.22.0.0/0x10",
    ),
    *("010.0.0.1", "10.00.0.0/8", "10.0.0.0/08", "10.0.0.1/032", "10.0.0.1/33", "256.1.1.1"),
    *(
        "1.2.3",
        "1.2.3/24",
        "1.2.3.0/24",
        "1.2.3.0//24",
        "1.2.3.0/24.0",
        "1.2.3.0/24/24",
        "1.2.3.4/2x",
    ),
    *(
        "[1.2.3.4]",
        "[1.2.3.0]/24",
        "[1.2.3.0/24]",
        "[1.2.3.0/24",
        "1.2.3.0/24]",
        "[1.2.3.4",
        "1.2.3.4]",
    ),
    *(
        "fd00::1",
        "fd00::/64",
        "[fd00::1]",
        "[FD00:0::1]",
        "[fd00::]/064",
        "[fd00::/64]",
        "[fd00::1]/64",
    ),
    *(
        "[fd00::1",
        "[fd00::/64",
        "fd00::/64]",
        "[fd00::g]/64",
        "[fd00::1%eth0]",
        "[1:2:3]",
        "[::1]/129",
    ),
    *(
        "[fd00::1]x",
        "[]",
        "[]/8",
        "[/16]",
        "./8",
        "dead",
        "dead/24",
        "example.com/24",
        "localhost",
        "*",
    ),
    *("0.0.0.0/0", "0.0.0.0/00", "1.2.3.4/0", "0/0", "[::]/0", "[::]/", "[::ffff:1.2.3.0]/120"),
    *("!172.22.91.2 172.22.0.0/16", "!!172.22.0.0/16", "172.22.91.2, 1.2.3.4/8, 10.0.0.1"),
    *(
        "{172.22.0.0/16}",
        '"172.22.0.0/16"',
        "172.22.0.0/16;",
        "172.22.0.0-172.22.255.255",
        "1.2.3.4:25",
    ),
    *("a:b", "hash:/nowhere", "nosuch:/nowhere", "!nosuch:/nowhere", "/nowhere", "static:all"),
    *("cidr:{{0.0.0.0/0 x}}", "!cidr:{{0.0.0.0/0 x}} 172.22.0.0/16", "FILE", "!FILE 172.22.0.0/16"),
)
"""Values of mynetworks; FILE is a file with FILE_CONTENT."""
FILE_CONTENT = "# the containers\n172.22.0.0/16\n!1.2.3.4 10.0.0.1\n"
FATAL = ("!", "!, 172.22.0.0/16", "::/0", ":x", "x:")
"""Entries with which smtpd does not even greet."""

LAN = {"smtpd_restriction_classes": "lan", "lan": "permit_mynetworks, reject"}
LISTS: tuple[tuple[str, str, dict[str, str], Decision], ...] = (
    ("client", "permit_mynetworks, reject", {}, Decision.PERMIT),
    ("client", "", {}, Decision.PERMIT),
    ("client", "reject", {}, Decision.REFUSE),
    ("client", "permit_sasl_authenticated,reject", {}, Decision.REFUSE),
    ("client", "permit_tls_all_clientcerts, REJECT", {}, Decision.REFUSE),
    ("client", "lan", LAN, Decision.PERMIT),
    ("client", "lan", LAN | {"lan": "sleep 0, reject"}, Decision.REFUSE),
    ("client", "reject", {"smtpd_delay_reject": "no"}, Decision.REFUSE),
    ("helo", "reject", {}, Decision.REFUSE),
    ("helo", "warn_if_reject reject_unknown_helo_hostname, permit", {}, Decision.PERMIT),
    ("helo", "warn_if_reject reject", {}, Decision.PERMIT),
    ("helo", "warn_if_reject permit_mynetworks, reject", {}, Decision.PERMIT),
    ("helo", "warn_if_reject check_helo_access static:OK, reject", {}, Decision.UNKNOWN),
    ("helo", "check_helo_access regexp:{{/^a{3}/ OK}}, reject", {}, Decision.UNKNOWN),
    ("sender", "permit_auth_destination, reject", {}, Decision.REFUSE),
    ("sender", "defer_if_reject, permit", {}, Decision.PERMIT),
    ("relay", "reject_unauth_destination", {}, Decision.REFUSE),
    ("relay", "permit_sasl_authenticated, defer_unauth_destination", {}, Decision.REFUSE),
    ("relay", "permit_mynetworks, defer_unauth_destination", {}, Decision.PERMIT),
    ("recipient", "reject_unauth_destination, permit_mynetworks", {}, Decision.REFUSE),
    ("recipient", "reject_non_fqdn_recipient, defer", {}, Decision.REFUSE),
    ("recipient", "defer_if_permit", {}, Decision.REFUSE),
    ("recipient", "permit, reject", {}, Decision.PERMIT),
    ("data", "reject_unauth_pipelining, permit", {}, Decision.PERMIT),
    ("data", "reject", {}, Decision.REFUSE),
    ("end_of_data", "permit_tls_clientcerts, reject", {}, Decision.REFUSE),
    ("client", "check_client_access static:OK, reject", {}, Decision.UNKNOWN),
    ("client", "reject_unknown_client_hostname, permit", {}, Decision.UNKNOWN),
    ("client", "static:REJECT", {}, Decision.UNKNOWN),
)
"""List, value, other settings of the service, and what we read in it."""

ASKING = """
import concurrent.futures, json, smtplib, sys
def ask(question):
    port, clients, commands = question
    try:
        smtp = smtplib.SMTP("127.0.0.1", port, timeout=90)
    except smtplib.SMTPConnectError as error:
        return [error.smtp_code]
    codes = []
    for client in clients:
        address = f"IPV6:{client}" if ":" in client else client
        for command in ("EHLO pod", f"XCLIENT NAME=[UNAVAILABLE] ADDR={address}", *commands):
            smtp.send(f"{command}\\r\\n")
            code, _ = smtp.getreply()
            if code >= 400:
                break
        codes.append(code)
    smtp.close()
    return codes
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(ask, json.load(sys.stdin)))))
"""
TO_RECIPIENT = ("EHLO pod", "MAIL FROM:<>", "RCPT TO:<ada@example.com>")
TO_THE_END = (*TO_RECIPIENT, "DATA", "Subject: x\r\n\r\n.")
PORTS = itertools.count(2600)
"""Each service gets a new one: master waits for a minute before it starts a failed one again."""


@pytest.fixture(scope="module")
def node(_network: Testbed) -> Iterator[Node]:
    node = _network.add_node("172.22.95.1", default_transport="discard")
    node.postfix.set(inet_protocols="all", smtpd_error_sleep_time="0", smtpd_peername_lookup="no")
    yield node
    node.postfix.stop()


def serve(node: Node, services: list[dict[str, str]]) -> dict[int, str]:
    """Make a service of Postfix for each of some settings; return its line by its port."""
    master = node.postfix.config / "master.cf"
    usual = master.read_text().partition("# tested\n")[0]
    lines = {}
    for settings, port in zip(services, PORTS, strict=False):
        own = {"syslog_name": f"p{port}", "smtpd_authorized_xclient_hosts": "static:all"} | settings
        options = " ".join(f"-o {{ {name} = {value} }}" for name, value in own.items())
        lines[port] = f"127.0.0.1:{port} inet n - n - - smtpd {options}"
    master.write_text("\n".join((f"{usual}# tested", *lines.values(), "")))
    os.utime(master, (time.time() - 60,) * 2)
    node.postfix.reload()
    node.wait_for_port(max(lines), listening=True)
    return lines


def ask(
    node: Node, ports: Iterable[int], clients: Iterable[str], commands: tuple[str, ...]
) -> list[list[int]]:
    """Speak to several services at once; return, for each of them, the code for each client."""
    questions = [(port, tuple(clients), commands) for port in ports]
    done = node.run(sys.executable, "-c", ASKING, text=json.dumps(questions))
    assert done.returncode == 0, done.stderr
    codes: list[list[int]] = json.loads(done.stdout)
    return codes


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Return the folder of an instance that never runs."""
    for name in ("main.cf", "dynamicmaps.cf"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 60,) * 2)  # Postfix waits for a new one
    return tmp_path


def read(instance: Path, value: str) -> tuple[NetworkEntry, ...]:
    """Return what we read in a value of mynetworks, out of the node's network."""
    listed = parse_entries(value)
    contents = read_contents(instance, listed)
    return tuple(inner for entry in listed for inner in contents.get(entry.text, (entry,)))


def test_entries_of_mynetworks(node: Node, instance: Path) -> None:
    """Where Postfix lets a client in, we say so; where it answers 451, we name the fault."""
    file = node.folder / "networks"
    file.write_text(FILE_CONTENT)
    values = [value.replace("FILE", str(file)) for value in ENTRIES]
    rule = {"smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"}
    ports = serve(node, [rule | {"mynetworks": value} for value in values])
    for value, codes in zip(values, ask(node, ports, CLIENTS, TO_RECIPIENT), strict=True):
        by_client = dict(zip(CLIENTS, codes, strict=True))
        listed = read(instance, value)
        assert any(entry.fault for entry in listed) is (451 in by_client.values()), (
            value,
            by_client,
            listed,
        )
        for client, code in by_client.items():
            if code != 451:
                assert is_listed(listed, ip_address(client)) is (code == 250), (value, client, code)


def test_entries_with_which_smtpd_does_not_greet(node: Node, instance: Path) -> None:
    """We name the fault there, too."""
    ports = serve(node, [{"mynetworks": value} for value in FATAL])
    for port, value in zip(ports, FATAL, strict=True):
        assert read(instance, value)[0].fault, value
        node.run(
            sys.executable, "-c", f"import socket\nsocket.create_connection(('127.0.0.1', {port}))"
        )

        def is_dead(sign: str = f"p{port}/smtpd[") -> bool:
            return any(sign in line and "fatal:" in line for line in node.maillog().splitlines())

        until(is_dead, node.maillog)


INTERFACES = (
    *(
        "all",
        "loopback-only",
        "localhost, 172.22.95.1",
        "172.22.95.1/24",
        "[127.0.0.1]",
        "127.0.0.1]",
    ),
    *(
        "::1",
        "[::1]",
        "[::1",
        "127.0.0.1]",
        "172.22.95.1:25",
        "!",
        "localhost, *",
        "loopback-only, 172.22.95.1",
    ),
    *("all localhost", "ALL", "Localhost", "/etc/x", "hash:/etc/x", "172.22.95.01"),
)


def test_inet_interfaces(node: Node) -> None:
    """Where a program of Postfix does not start for inet_interfaces, we name the word."""
    before = "localhost, 172.22.95.1"
    for value in INTERFACES:
        node.postfix.set(inet_interfaces=value)
        done = node.run("postqueue", "-c", str(node.postfix.config), "-p")
        faults = list(find_interface_faults(value))
        assert bool(faults) is (done.returncode != 0), (value, done.stderr, faults)
    node.postfix.set(inet_interfaces=before)


def test_restriction_lists(node: Node) -> None:
    """Where we say that a list lets containers' mail pass, or refuses it, Postfix does so."""
    names = [f"smtpd_{stage}_restrictions" for stage, *_ in LISTS]
    rule = {
        "mynetworks": "172.22.0.0/16",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    }
    services = [
        rule | more | {name: value} for name, (_, value, more, _) in zip(names, LISTS, strict=True)
    ]
    lines = serve(node, services)
    codes = ask(node, lines, CLIENTS[:1], TO_THE_END)
    for name, case, line, [code] in zip(names, LISTS, lines.values(), codes, strict=True):
        verdict = restrictions.decide(name, restrictions.in_service({}, line))
        assert verdict.decision is case[-1], (case, verdict)
        if verdict.decision is not Decision.UNKNOWN:
            assert (code == 250) is (verdict.decision is Decision.PERMIT), (case, code)
