"""What the kernel, the environment and flannel tell of this machine, without a decision."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path
from typing import Any

import psutil

HOST_NAMES = ("host.docker.internal", "host.containers.internal")
"""What Docker and Podman write into /etc/hosts for the node."""
FLANNEL_FILE = Path("/run/flannel/subnet.env")

_BRIDGES = ("docker0", "cni0", "cbr0", "podman0")
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
    host_name: tuple[str, str] | None = None
    """A container engine's name for the node, and its address."""
    flannel_network: str | None = None


def bridge_names(interfaces: tuple[Interface, ...]) -> list[str]:
    """The container bridges among them, the likeliest first; Compose's `br-…` come last."""
    names = [interface.name for interface in interfaces]
    composed = sorted(name for name in names if name.startswith("br-"))
    return [*(name for name in _BRIDGES if name in names), *composed]


def read(environment: Mapping[str, str] = os.environ) -> Facts:
    """Look at this machine's interfaces, routes and environment."""
    interfaces = _interfaces()
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
        host_name=host_name(_text(Path("/etc/hosts"))),
        flannel_network=flannel_network(_text(FLANNEL_FILE), interfaces),
    )


def own_addresses() -> tuple[Address, ...]:
    """This machine's addresses, each with its network."""
    return tuple(address for interface in _interfaces() for address in interface.addresses)


def host_name(hosts: str) -> tuple[str, str] | None:
    """The first of HOST_NAMES with its address, from the text of /etc/hosts.

    No name server is asked: one that is away would cost half a minute.
    """
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if found := next((name for name in HOST_NAMES if name in names), None):
            return found, address
    return None


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
            found.append((int(metric, 16), Gateway(str(ip_address(bytes.fromhex(gateway))), name)))
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


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
