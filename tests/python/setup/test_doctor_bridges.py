"""The doctor on a node whose bridge changed, and on one with several bridges."""

from ipaddress import ip_address

import pytest

from pyservice.postfix import commands
from pyservice.setup.doctor import checks, diagnose, evidence
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.mail_path import Options
from pyservice.setup.node.detect import Bridge, Node
from tests.builders.doctor import a_node
from tests.builders.relay import state

DOCKER = Bridge("docker0", "172.17.0.1", "172.17.0.0/16", is_up=True)
COMPOSE = Bridge("br-1a2b3c", "172.18.0.1", "172.18.0.0/16", is_up=True)
OWN = (ip_address("127.0.0.1"), ip_address("172.17.0.1"), ip_address("::1"))


@pytest.mark.parametrize(
    ("interfaces", "named"),
    [
        ("localhost, 172.22.91.1", "172.22.91.1"),
        ("172.22.91.1 [fd00::1] 172.17.0.1", "172.22.91.1, fd00::1"),
        ("127.0.0.1, [::1], 172.17.0.1", None),
        ("all", None),
        ("loopback-only", None),
        ("node1.example.com, fe80::1", None),
    ],
)
def test_an_address_that_no_interface_has(interfaces: str, named: str | None) -> None:
    """It keeps Postfix from starting, so it is an error, and apply takes it out."""
    found = checks.check_interfaces({"inet_interfaces": interfaces}, OWN)
    assert [finding.is_error for finding in found] == ([True] if named else [])
    assert all(f"names {named}, which no interface" in finding.sentence for finding in found)
    assert all(finding.cure == "notify-email relay apply" for finding in found)


@pytest.mark.parametrize(
    ("bridge", "networks", "is_listening", "cure"),
    [
        (COMPOSE, "172.16.0.0/12", False, "--bridge br-1a2b3c --boot-safe"),
        (COMPOSE, "172.17.0.0/16", True, "--bridge br-1a2b3c --boot-safe"),
        (COMPOSE, "172.16.0.0/12", True, None),
        (Bridge("cni0", "10.88.0.1", "10.88.0.0/16", True), "127.0.0.0/8", False, "--bridge cni0"),
        (Bridge("cni0", "10.88.0.1", "10.88.0.0/16", False), "127.0.0.0/8", False, None),
        (Bridge("cni0", None, None, True), "127.0.0.0/8", False, None),
    ],
)
def test_another_bridge(
    bridge: Bridge, networks: str, is_listening: bool, cure: str | None
) -> None:
    """A bridge that is up and gets nothing is noted, with the command that serves it."""
    node = Node(False, "", "172.17.0.1", "172.17.0.0/16", (DOCKER, bridge), ())
    found = checks.check_bridges({"mynetworks": networks}, node, lambda _: is_listening)
    assert [f.cure for f in found] == ([f"notify-email relay apply {cure}"] if cure else [])
    assert not any(finding.is_error for finding in found)


def test_a_stale_address_explains_a_stopped_postfix(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cure tells to start a Postfix that can't start."""
    stale = state(inet_interfaces="localhost, 203.0.113.9").configuration
    monkeypatch.setattr(evidence, "configuration", lambda _: stale)
    options = Options("a@example.com", "b@example.com", port=9)
    found = diagnose.examine(a_node(is_container=False), options)
    ids = [finding.id for finding in found.findings]
    assert "stale-address" in ids
    assert not {"postfix-down", "postfix-missing"} & set(ids)


def test_a_refused_connection() -> None:
    """Its cure serves that very address, and not only the bridge that is chosen by default."""
    finding = KNOWN["refused"].finding(address="172.18.0.1", port=25)
    assert finding.cure == "notify-email relay apply --address 172.18.0.1"


@pytest.mark.parametrize(
    ("installed", "cure"),
    [("dockerd", "docker"), ("k3s", "k3s"), ("podman", "podman"), (None, "ENGINE")],
)
def test_no_docker_is_assumed(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, cure: str
) -> None:
    """Without a bridge the cure starts the engine that is installed."""
    monkeypatch.setattr(commands, "find_program", lambda name: name if name == installed else None)
    found = diagnose.examine(a_node(None, is_container=False), Options("a@b.com", "b@b.com"))
    assert found.findings[0].cure == f"systemctl start {cure}"
