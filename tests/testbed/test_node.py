"""notify-email node on a real node, in a real container, and where there is neither."""

import json
from typing import Any

import pytest

from tests.testbed.namespaces import Completed, Namespace, ip
from tests.testbed.network import BRIDGE, Testbed
from tests.testbed.node import BIN

COMMAND = str(BIN / "notify-email")
HIDDEN = (
    # With a /run of its own, where flannel's file may be.
    "unshare",
    "--mount",
    "sh",
    "-ec",
    "mount -t tmpfs tmpfs /run && mkdir -p /run/flannel && "
    'if [ -n "$FLANNEL" ]; then echo "$FLANNEL" >/run/flannel/subnet.env; fi; exec "$@"',
    "sh",
)


def run_node(machine: Namespace, *arguments: str, **environment: str) -> Completed:
    return machine.run(*HIDDEN, COMMAND, "node", *arguments, env=environment)


def detected(machine: Namespace, **environment: str) -> dict[str, Any]:
    done = run_node(machine, "--json", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    node: dict[str, Any] = json.loads(done.stdout)
    return node


def test_on_the_node(testbed: Testbed) -> None:
    """It is a node, by its docker0, whose address and network it shows."""
    node = detected(testbed.node)
    assert (node["is_container"], node["address"]) == (False, BRIDGE)
    assert node["network"] == "172.22.91.0/24"
    assert node["bridges"] == [
        {
            "interface": "docker0",
            "address": BRIDGE,
            "network": "172.22.91.0/24",
            "is_up": True,
        }
    ]
    assert (
        detected(testbed.node, FLANNEL="FLANNEL_NETWORK=172.22.0.0/16")["network"]
        == "172.22.0.0/16"
    )
    output = run_node(testbed.node).stdout
    assert "This is     a node: it has docker0\n" in output
    assert "Bridge      docker0: 172.22.91.1, 172.22.91.0/24, up\n" in output


def test_in_a_container(testbed: Testbed) -> None:
    """It is a container, by its cable, and the default gateway is the node's docker0."""
    node = detected(testbed.container)
    assert (node["is_container"], node["address"]) == (True, BRIDGE)
    assert [c["source"] for c in node["candidates"]] == ["default gateway"]
    assert run_node(testbed.container, "--address-only").stdout == f"{BRIDGE}\n"


def test_what_kubernetes_says_comes_first(testbed: Testbed) -> None:
    """NODE_IP wins over the gateway, and --address over both."""
    node = detected(testbed.container, NODE_IP="192.0.2.10")
    assert node["address"] == "192.0.2.10"
    done = run_node(
        testbed.container, "--address-only", "--address", "192.0.2.99", NODE_IP="192.0.2.1"
    )
    assert done.stdout == "192.0.2.99\n"


def test_a_pod_of_calico(testbed: Testbed) -> None:
    """Its gateway is no machine's address: exit code 1, and the error names the cure."""
    pod = Namespace("calico")
    try:
        pod.join("eth0", "10.1.2.3/32", testbed.node, "cali1")
        ip("-n", pod.name, "route", "add", "169.254.1.1", "dev", "eth0", "scope", "link")
        pod.route("default", via="169.254.1.1")
        done = run_node(pod)
        assert done.returncode == 1
        assert "169.254.1.1 (default gateway) not: Calico's, no node's" in done.stdout
        assert "set the variable NODE_IP" in done.stderr
        assert run_node(pod, NODE_IP="198.51.100.11").returncode == 0
    finally:
        pod.remove()


def test_where_there_is_neither(testbed: Testbed) -> None:
    """On a machine without bridge and gateway no address fits: exit code 1."""
    done = run_node(testbed.relay)
    assert done.returncode == 1
    assert "Address     none\n" in done.stdout
    assert "give --address" in done.stderr


@pytest.mark.parametrize("state", ["down", "no address"])
def test_docker_is_stopped(testbed: Testbed, state: str) -> None:
    """A bridge that is down still has its address; one without an address names the cure."""
    node = testbed.add_node("172.22.93.1")
    if state == "down":
        ip("-n", node.name, "link", "set", "docker0", "down")
        shown = detected(node)
        assert (shown["address"], shown["bridges"][0]["is_up"]) == ("172.22.93.1", False)
    else:
        node.postfix.stop()
        ip("-n", node.name, "address", "flush", "dev", "docker0")
        done = run_node(node)
        assert done.returncode == 1
        assert "is its container engine running?" in done.stdout
