"""What this machine or container is, and which address reaches the node's Postfix.

`read` looks at the machine, `understand` decides: a pure function of what was read.
"""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path
from typing import Any

import psutil

from pyservice.smtp import Connection

BRIDGES = ("docker0", "cni0", "cbr0", "podman0")
"""Interfaces that containers reach their node by, the likeliest first; then `br-…`."""
CALICO = "169.254.1.1"
"""The gateway that Calico gives to every pod: nobody's address."""
DOCKERS_NAME = "host.docker.internal"
FLANNEL_FILE = Path("/run/flannel/subnet.env")

_MARKER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
_MARKER_VARIABLES = ("KUBERNETES_SERVICE_HOST", "container")
_FLANNEL_NETWORK = re.compile(r"^FLANNEL_NETWORK=(?P<network>\S+)", re.MULTILINE)
_ROUTE_IS_UP = 0x1

Address = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Interface:
    """A network interface."""

    name: str
    addresses: tuple[Address, ...]
    """IPv4 first; link-local ones are left out."""
    is_up: bool
    is_veth: bool = False
    """One end of a cable to another network namespace."""


@dataclass(frozen=True)
class Gateway:
    """The way out of here, by one of the two route tables."""

    address: str
    interface: str


@dataclass(frozen=True)
class Facts:
    """What was read."""

    interfaces: tuple[Interface, ...]
    gateways: tuple[Gateway, ...]
    """At most one for IPv4, then at most one for IPv6."""
    markers: tuple[str, ...] = ()
    """Signs of a container."""
    node_ip: str | None = None
    """The variable NODE_IP, which Kubernetes sets from `status.hostIP`."""
    docker_host: str | None = None
    """What `host.docker.internal` stands for."""
    flannel_network: str | None = None


@dataclass(frozen=True)
class Bridge:
    """A container bridge of this machine."""

    interface: str
    address: str | None
    network: str | None
    """Of its containers: `172.22.91.0/24`."""
    is_up: bool


@dataclass(frozen=True)
class Candidate:
    """An address that could reach the node's Postfix."""

    address: str
    source: str
    reason: str
    """Why it is the one, or why not."""
    is_chosen: bool


@dataclass(frozen=True)
class Node:
    """What this machine is, seen from a container's mail."""

    is_container: bool
    why: str
    """Why it takes itself for that."""
    address: str | None
    """Where containers reach the node's Postfix; None: nothing fits."""
    network: str | None
    """Where the containers' mail comes from; None: unknown from in here."""
    bridges: tuple[Bridge, ...]
    candidates: tuple[Candidate, ...]

    @property
    def bridge(self) -> Bridge | None:
        """The bridge that was chosen."""
        return next((b for b in self.bridges if b.address == self.address), None)

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Relay:
    """A mail server that greets with 220."""

    host: str
    port: int
    greeting: str


def look(address: str | None = None) -> Node:
    """Look at this machine.

    Args:
        address: the one that somebody has set, which wins over all that is found.
    """
    return understand(read(), address)


def find_relay(bridge: Bridge | None) -> Relay | None:
    """This machine's Postfix: at the bridge's address, as containers meet it, else at localhost."""
    for host in (*([bridge.address] if bridge and bridge.address else []), "127.0.0.1"):
        try:
            return Relay(host, 25, Connection(host, 25).greeting())
        except ConnectionError:
            continue
    return None


def understand(facts: Facts, address: str | None = None) -> Node:
    """Decide what this is and which address to use."""
    bridges = _bridges(facts)
    way_out = {gateway.interface for gateway in facts.gateways}
    veths = [i.name for i in facts.interfaces if i.is_veth and i.name in way_out]
    signs = [*facts.markers, *(f"{name} is one end of a veth" for name in veths)]
    is_container = not bridges and bool(signs)
    if is_container:
        why = f"no container bridge, and {signs[0]}"
        options = _seen_from_inside(facts)
    else:
        names = ", ".join(bridge.interface for bridge in bridges)
        why = f"it has {names}" if names else "neither a container bridge nor a sign of a container"
        options = _seen_from_the_node(bridges)
    if address is not None:
        options.insert(0, (address, "given", "it was set by hand"))
    candidates = _choose(options)
    chosen = next((c.address for c in candidates if c.is_chosen), None)
    bridge = next((b for b in bridges if b.address == chosen), None)
    network = None
    if not is_container:
        network = facts.flannel_network or (bridge.network if bridge else None)
    return Node(is_container, why, chosen, network, bridges, candidates)


def _bridges(facts: Facts) -> tuple[Bridge, ...]:
    found = {i.name: i for i in facts.interfaces}
    composed = sorted(name for name in found if name.startswith("br-"))
    bridges = []
    for name in (*BRIDGES, *composed):
        if (interface := found.get(name)) is not None:
            first = next(iter(interface.addresses), None)
            address, network = (str(first.ip), str(first.network)) if first else (None, None)
            bridges.append(Bridge(name, address, network, interface.is_up))
    return tuple(bridges)


_Option = tuple[str, str, str]
"""Address, source, why it would be the one; an address that is none is no option."""


def _seen_from_the_node(bridges: tuple[Bridge, ...]) -> list[_Option]:
    return [
        (
            bridge.address or "",
            bridge.interface,
            "it is the containers' default gateway"
            if bridge.address
            else "it has no address: is dockerd running?",
        )
        for bridge in bridges
    ]


def _seen_from_inside(facts: Facts) -> list[_Option]:
    options = []
    if facts.node_ip:
        options.append((facts.node_ip, "NODE_IP", "the environment names the node"))
    if facts.docker_host:
        options.append((facts.docker_host, DOCKERS_NAME, "Docker's name for its host"))
    options += [
        (gateway.address, "default gateway", f"the node is the way out of {gateway.interface}")
        for gateway in facts.gateways
    ]
    return options


def _choose(options: list[_Option]) -> tuple[Candidate, ...]:
    candidates: list[Candidate] = []
    for address, source, reason in options:
        chosen = next((c for c in candidates if c.is_chosen), None)
        if address == CALICO:
            told = "Calico's, no node's: hand in status.hostIP as NODE_IP"
            candidates.append(Candidate(address, source, told, is_chosen=False))
        elif not address or not _is_address(address):
            told = reason if not address else "it is no IP address"
            candidates.append(Candidate(address, source, told, is_chosen=False))
        elif chosen is not None:
            told = f"{chosen.source} comes first"
            candidates.append(Candidate(address, source, told, is_chosen=False))
        else:
            candidates.append(Candidate(address, source, reason, is_chosen=True))
    return tuple(candidates)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def read(environment: Mapping[str, str] = os.environ) -> Facts:
    """Look at this machine's interfaces, routes and environment."""
    interfaces = _interfaces()
    bridges = any(i.name in BRIDGES or i.name.startswith("br-") for i in interfaces)
    flannel = _text(FLANNEL_FILE)
    return Facts(
        interfaces=interfaces,
        gateways=(
            *gateways(_text(Path("/proc/net/route"))),
            *gateways_ipv6(_text(Path("/proc/net/ipv6_route"))),
        ),
        markers=(
            *(f"{file} exists" for file in _MARKER_FILES if file.exists()),
            *(f"the variable {name} is set" for name in _MARKER_VARIABLES if environment.get(name)),
        ),
        node_ip=environment.get("NODE_IP"),
        # Only containers know that name; a name server that is away would cost a node seconds.
        docker_host=None if bridges else _resolved(DOCKERS_NAME),
        flannel_network=flannel_network(flannel, interfaces),
    )


def flannel_network(subnet_env: str, interfaces: tuple[Interface, ...]) -> str | None:
    """The cluster's network: what flannel wrote down, else what its interface belongs to.

    With VXLAN that interface's address is a /32, which says nothing.
    """
    if match := _FLANNEL_NETWORK.search(subnet_env):
        return match["network"]
    networks = [a.network for i in interfaces if i.name.startswith("flannel") for a in i.addresses]
    return next((str(n) for n in networks if n.prefixlen < n.max_prefixlen), None)


def gateways(route_table: str) -> list[Gateway]:
    """The IPv4 default gateway, from the text of /proc/net/route: numbers in host byte order."""
    found = []
    for line in route_table.splitlines()[1:]:
        name, destination, gateway, flags, _, _, metric, mask = line.split()[:8]
        is_default = int(destination, 16) == int(mask, 16) == 0
        if is_default and int(gateway, 16) and int(flags, 16) & _ROUTE_IS_UP:
            address = socket.inet_ntoa(int(gateway, 16).to_bytes(4, "little"))
            found.append((int(metric), Gateway(address, name)))
    return [gateway for _, gateway in sorted(found, key=lambda pair: pair[0])[:1]]


def gateways_ipv6(route_table: str) -> list[Gateway]:
    """The IPv6 default gateway, from the text of /proc/net/ipv6_route."""
    found = []
    for line in route_table.splitlines():
        destination, length, _, _, gateway, metric, _, _, _, name = line.split()
        is_default = int(destination, 16) == int(length, 16) == 0
        if is_default and int(gateway, 16):
            address = ip_address(bytes.fromhex(gateway))
            if not address.is_link_local:
                found.append((int(metric, 16), Gateway(str(address), name)))
    return [gateway for _, gateway in sorted(found, key=lambda pair: pair[0])[:1]]


def _interfaces() -> tuple[Interface, ...]:
    states = psutil.net_if_stats()
    return tuple(
        Interface(
            name,
            _addresses(entries),
            is_up=name in states and states[name].isup,
            is_veth=_is_veth(name),
        )
        for name, entries in psutil.net_if_addrs().items()
    )


def _addresses(entries: list[Any]) -> tuple[Address, ...]:
    found: list[Address] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for entry in entries:
            if entry.family == family and entry.netmask:
                plain = entry.address.partition("%")[0]
                found.append(ip_interface(f"{plain}/{int(ip_address(entry.netmask)).bit_count()}"))
    return tuple(address for address in found if not address.is_link_local)


def _is_veth(name: str) -> bool:
    """Whether its other end has another number: in a namespace of its own, that is a veth."""
    folder = Path("/sys/class/net") / name
    own, other = _text(folder / "ifindex"), _text(folder / "iflink")
    is_cable = own != other and not (folder / "device").exists()
    return is_cable and _text(folder / "type").strip() == "1"


def _resolved(name: str) -> str | None:
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
