"""setup/node: facts.py and detect.py, for each kind of node and container."""

from ipaddress import ip_interface

import pytest

from pyservice.errors import ConfigurationError
from pyservice.setup.node import detect
from pyservice.setup.node.detect import classify, detect_node
from pyservice.setup.node.facts import (
    Facts,
    Gateway,
    Interface,
    find_flannel_network,
    find_host_name,
    parse_ipv4_gateway,
    parse_ipv6_gateway,
)

LO = Interface("lo", (ip_interface("127.0.0.1/8"),), is_up=True)
ETH = Interface("eth0", (ip_interface("192.0.2.10/24"),), is_up=True)
CABLE = Interface("eth0", (ip_interface("172.22.91.2/24"),), is_up=True, is_veth=True)
OUT = Gateway("192.0.2.1", "eth0")
NODE = Gateway("172.22.91.1", "eth0")


def bridge(name: str, address: str | None, *, is_up: bool = True) -> Interface:
    return Interface(name, (ip_interface(address),) if address else (), is_up)


def on_node(*bridges: Interface, flannel: str | None = None) -> Facts:
    return Facts((LO, ETH, *bridges), (OUT,), flannel_network=flannel)


def test_a_node_with_docker() -> None:
    """Containers reach the node at docker0's address, and come from docker0's network."""
    node = classify(on_node(bridge("docker0", "172.22.91.1/24")))
    assert not node.is_container
    assert (node.address, node.network) == ("172.22.91.1", "172.22.91.0/24")
    assert node.bridge is not None
    assert node.bridge.interface == "docker0"


def test_docker0_comes_first() -> None:
    """docker0 is preferred in any order of interfaces, and Compose's bridges come last."""
    node = classify(
        on_node(
            bridge("br-1a2b3c", "172.18.0.1/16"),
            bridge("cni0", "10.88.0.1/16"),
            bridge("docker0", "172.17.0.1/16"),
        )
    )
    assert [c.source for c in node.candidates] == ["docker0", "cni0", "br-1a2b3c"]
    assert node.address == "172.17.0.1"
    assert [c.reason for c in node.candidates[1:]] == ["docker0 comes first"] * 2
    assert [b.is_lasting for b in node.bridges] == [True, True, False]


@pytest.mark.parametrize(
    ("down", "up", "chosen"),
    [
        ("docker0", "cni0", "cni0"),
        ("docker0", "cni-podman0", "cni-podman0"),
        ("cni0", "podman0", "podman0"),
        ("docker0", "docker_gwbridge", "docker_gwbridge"),
        ("br-1a2b3c", "br-4d5e6f", "br-4d5e6f"),
        ("docker0", "br-1a2b3c", "docker0"),
        ("docker0", "podman1", "docker0"),
    ],
)
def test_a_bridge_that_is_down(down: str, up: str, chosen: str) -> None:
    """A bridge that is up is preferred, unless it comes and goes as a Compose network does."""
    node = classify(on_node(bridge(down, "172.17.0.1/16", is_up=False), bridge(up, "10.88.0.1/16")))
    assert node.bridge is not None
    assert node.bridge.interface == chosen
    assert {b.interface for b in node.bridges} == {down, up}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("docker0", r"no container bridge 'docker0'; this machine has cni0, br-1a2b3c"),
        ("br-1a2b3c", "br-1a2b3c has no address: is its engine running"),
        ("eth0", "--address"),
    ],
)
def test_a_bridge_by_name(monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    """A named bridge comes before all others; one that is not there is refused."""
    facts = on_node(bridge("cni0", "10.88.0.1/16"), bridge("br-1a2b3c", None))
    monkeypatch.setattr(detect, "read_facts", lambda: facts)
    with pytest.raises(ConfigurationError, match=message):
        detect_node(bridge=name)
    facts = on_node(bridge("cni0", "10.88.0.1/16"), bridge("br-1a2b3c", "172.18.0.1/16"))
    node = detect_node(bridge="br-1a2b3c")
    assert (node.address, node.networks) == ("172.18.0.1", ("172.18.0.0/16",))


def test_a_bridge_without_an_address() -> None:
    """The next bridge is used; without one no address fits, and the reason names the engine."""
    node = classify(on_node(bridge("docker0", None), bridge("podman0", "10.88.0.1/16")))
    assert node.address == "10.88.0.1"
    node = classify(on_node(bridge("docker0", None)))
    assert node.address is None
    assert "is its container engine running?" in node.candidates[0].reason


def test_flannel_is_wider_than_the_bridge() -> None:
    """With flannel the network is the cluster's."""
    node = classify(on_node(bridge("docker0", "172.22.91.1/24"), flannel="172.22.0.0/16"))
    assert (node.address, node.network) == ("172.22.91.1", "172.22.0.0/16")
    assert node.networks == ("172.22.0.0/16",)


def test_a_bridge_outside_of_flannels_networks() -> None:
    """The bridge's network is added to flannel's."""
    docker = bridge("docker0", "172.17.0.1/16")
    node = classify(on_node(docker, flannel="10.244.0.0/16,10.245.0.0/16"))
    assert node.networks == ("10.244.0.0/16", "10.245.0.0/16", "172.17.0.0/16")
    assert classify(on_node(docker)).networks == ("172.17.0.0/16",)


def test_a_node_without_containers() -> None:
    """A machine without containers is no container either, and no address fits."""
    node = classify(on_node())
    assert (node.is_container, node.address, node.network) == (False, None, None)


def test_a_container_on_a_bridge() -> None:
    """The default gateway is the node; a veth is a sufficient sign of a container."""
    node = classify(Facts((LO, CABLE), (NODE,)))
    assert node.is_container
    assert node.why == "no container bridge, and eth0 is one end of a veth"
    assert (node.address, node.network) == ("172.22.91.1", None)


def test_a_pod_of_calico() -> None:
    """169.254.1.1 is no node's address; the one in NODE_IP is."""
    calico = Facts((LO, CABLE), (Gateway("169.254.1.1", "eth0"),))
    node = classify(calico)
    assert node.address is None
    assert "status.hostIP" in node.candidates[0].reason
    node = classify(Facts(calico.interfaces, calico.gateways, node_ip="192.0.2.10"))
    assert node.address == "192.0.2.10"


def test_what_somebody_has_set_comes_first() -> None:
    """The order is: by hand, by Kubernetes, by Docker, then the route tables."""
    facts = Facts(
        (LO, CABLE),
        (NODE, Gateway("fd00::1", "eth0")),
        node_ip="192.0.2.10",
        host_name=("host.docker.internal", "172.17.0.1"),
    )
    node = classify(facts, "192.0.2.99")
    assert [(c.address, c.source) for c in node.candidates] == [
        ("192.0.2.99", "given"),
        ("192.0.2.10", "NODE_IP"),
        ("172.17.0.1", "host.docker.internal"),
        ("172.22.91.1", "default gateway"),
        ("fd00::1", "default gateway"),
    ]
    assert [c.is_chosen for c in node.candidates] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("node_ip", "reason"),
    [
        ("status.hostIP", "it is no IP address"),
        ("127.0.0.1", "it leads back into here"),
        ("0.0.0.0", "it leads back into here"),
    ],
)
def test_a_node_ip_that_is_none(node_ip: str, reason: str) -> None:
    """A mistake in a manifest is shown, and the gateway is used."""
    node = classify(Facts((LO, CABLE), (NODE,), node_ip=node_ip))
    assert node.candidates[0].reason == reason
    assert node.address == "172.22.91.1"


def test_a_link_local_gateway() -> None:
    """A link-local gateway is a sign of a container, and is not chosen, with a reason."""
    node = classify(Facts((LO, CABLE), (Gateway("fe80::1", "eth0"),)))
    assert node.is_container
    assert node.address is None
    assert node.candidates[0].reason.startswith("it is link-local")


@pytest.mark.parametrize("address", ["", "node1", "169.254.1.1", "::", "fe80::1%eth0"])
def test_an_address_by_hand_that_is_none(address: str) -> None:
    """An address by hand that can't be a node's is refused before the machine is read."""
    with pytest.raises(ConfigurationError, match="can't be a node's"):
        detect_node(address)


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t00000000\t015B16AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t005B16AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_route_tables() -> None:
    """IPv4's table is in host byte order; the lowest metric wins."""
    assert parse_ipv4_gateway(ROUTES) == [Gateway("172.22.91.1", "eth0")]
    assert parse_ipv4_gateway("") == []
    zero, one = "0" * 32, "fd" + "0" * 29 + "1"
    ipv6 = f"{zero} 00 {zero} 00 {one} 00000400 00000003 00000000 00000003     eth0\n"
    assert parse_ipv6_gateway(ipv6) == [Gateway("fd00::1", "eth0")]


def test_flannels_network() -> None:
    """flannel's network comes from its file, else its interface, unless that is a /32 of VXLAN."""
    vxlan = Interface("flannel.1", (ip_interface("172.22.91.0/32"),), is_up=True)
    udp = Interface("flannel0", (ip_interface("172.22.91.0/16"),), is_up=True)
    file = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n"
    assert find_flannel_network(file, (udp,)) == "10.244.0.0/16"
    assert find_flannel_network("", (vxlan,)) is None
    assert find_flannel_network("", (vxlan, udp)) == "172.22.0.0/16"


def test_the_engines_name_for_the_node() -> None:
    """Docker and Podman write a name for the node into /etc/hosts."""
    hosts = (
        "127.0.0.1 localhost\n\n# host.docker.internal\n172.17.0.1\tx host.docker.internal # y\n"
    )
    assert find_host_name(hosts) == ("host.docker.internal", "172.17.0.1")
    assert find_host_name("10.88.0.1 host.containers.internal") == (
        "host.containers.internal",
        "10.88.0.1",
    )
    assert find_host_name("127.0.0.1 localhost\n") is None
