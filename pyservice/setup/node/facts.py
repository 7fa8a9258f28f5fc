"""Reads what the kernel, the environment and flannel say about this machine; decides nothing."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path
from typing import Any

import psutil

from pyservice.postfix.mynetworks import Address

HOST_NAMES = ("host.docker.internal", "host.containers.internal")
"""The names by which Docker and Podman enter the node in a container's /etc/hosts."""
FLANNEL_FILE = Path("/run/flannel/subnet.env")

BRIDGES = ("docker0", "docker_gwbridge", "cni0", "cbr0", "podman0", "cni-podman0", "nerdctl0")
"""The engines' own bridges, the likeliest first; the second one is Docker Swarm's."""
_NETWORK_BRIDGE = re.compile(r"br-.+|(cni-)?podman\d+")
"""The bridges of Compose's and other networks that people make: they come and go."""
_MARKER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
_MARKER_VARIABLES = ("KUBERNETES_SERVICE_HOST", "container")
_FLANNEL_NETWORK = re.compile(r"^FLANNEL_NETWORK=(?P<network>\S+)", re.MULTILINE)
_ROUTE_IS_UP = 0x1

InterfaceAddress = IPv4Interface | IPv6Interface
"""An address with its network."""


@dataclass(frozen=True)
class Interface:
    """A network interface."""

    name: str
    addresses: tuple[InterfaceAddress, ...]
    """IPv4 first; link-local addresses are left out."""
    is_up: bool
    is_veth: bool = False
    """Whether it is one end of a cable to another network namespace."""


@dataclass(frozen=True)
class Gateway:
    """A default gateway, of IPv4's or IPv6's route table."""

    address: str
    interface: str


@dataclass(frozen=True)
class Facts:
    """What was read about this machine."""

    interfaces: tuple[Interface, ...]
    gateways: tuple[Gateway, ...]
    """At most one for IPv4, then at most one for IPv6."""
    markers: tuple[str, ...] = ()
    """The signs that this is a container, each a phrase for a person to read."""
    node_ip: str | None = None
    """The variable NODE_IP, which Kubernetes sets from `status.hostIP`."""
    host_name: tuple[str, str] | None = None
    """The container engine's name for the node, and the node's address."""
    flannel_network: str | None = None


def bridge_names(interfaces: tuple[Interface, ...]) -> list[str]:
    """Return the container bridges' names: the engines' own ones come first."""
    names = [interface.name for interface in interfaces]
    others = {name for name in names if _NETWORK_BRIDGE.fullmatch(name)} - {*BRIDGES}
    return [*(name for name in BRIDGES if name in names), *sorted(others)]


def read_facts(environment: Mapping[str, str] = os.environ) -> Facts:
    """Read this machine's interfaces, routes and environment."""
    interfaces = _read_interfaces()
    return Facts(
        interfaces=interfaces,
        gateways=(
            *parse_ipv4_gateway(_read_text(Path("/proc/net/route"))),
            *parse_ipv6_gateway(_read_text(Path("/proc/net/ipv6_route"))),
        ),
        markers=(
            *(f"{file} exists" for file in _MARKER_FILES if file.exists()),
            *(f"the variable {name} is set" for name in _MARKER_VARIABLES if environment.get(name)),
        ),
        node_ip=environment.get("NODE_IP"),
        host_name=find_host_name(_read_text(Path("/etc/hosts"))),
        flannel_network=find_flannel_network(_read_text(FLANNEL_FILE), interfaces),
    )


def interface_addresses() -> tuple[InterfaceAddress, ...]:
    """Return this machine's addresses, each with its network."""
    return tuple(address for interface in _read_interfaces() for address in interface.addresses)


def own_addresses() -> tuple[Address, ...]:
    """Return this machine's addresses."""
    return tuple(address.ip for address in interface_addresses())


def find_host_name(hosts: str) -> tuple[str, str] | None:
    """Return the first of HOST_NAMES with its address, from the text of /etc/hosts.

    A name server is not queried: one that is away would cost half a minute.
    """
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if name := next((name for name in HOST_NAMES if name in names), None):
            return name, address
    return None


def find_flannel_network(subnet_env: str, interfaces: tuple[Interface, ...]) -> str | None:
    """Return the cluster's network, from the text of flannel's file, else from its interface.

    With VXLAN that interface's address is a /32, which says nothing.
    """
    if match := _FLANNEL_NETWORK.search(subnet_env):
        return match["network"]
    networks = [a.network for i in interfaces if i.name.startswith("flannel") for a in i.addresses]
    return next((str(n) for n in networks if n.prefixlen < n.max_prefixlen), None)


def parse_ipv4_gateway(route_table: str) -> list[Gateway]:
    """Return the IPv4 default gateway, if any, from the text of /proc/net/route.

    Its numbers are hexadecimal, in host byte order.
    """
    routes = []
    for line in route_table.splitlines()[1:]:
        name, destination, gateway, flags, _, _, metric, mask = line.split()[:8]
        is_default = int(destination, 16) == int(mask, 16) == 0
        if is_default and int(gateway, 16) and int(flags, 16) & _ROUTE_IS_UP:
            address = socket.inet_ntoa(int(gateway, 16).to_bytes(4, "little"))
            routes.append((int(metric), Gateway(address, name)))
    return _lowest_metric(routes)


def parse_ipv6_gateway(route_table: str) -> list[Gateway]:
    """Return the IPv6 default gateway, if any, from the text of /proc/net/ipv6_route."""
    routes = []
    for line in route_table.splitlines():
        destination, length, _, _, gateway, metric, _, _, _, name = line.split()
        is_default = int(destination, 16) == int(length, 16) == 0
        if is_default and int(gateway, 16):
            address = str(ip_address(bytes.fromhex(gateway)))
            routes.append((int(metric, 16), Gateway(address, name)))
    return _lowest_metric(routes)


def _lowest_metric(routes: list[tuple[int, Gateway]]) -> list[Gateway]:
    return [gateway for _, gateway in sorted(routes, key=lambda route: route[0])[:1]]


def _read_interfaces() -> tuple[Interface, ...]:
    states = psutil.net_if_stats()
    return tuple(
        Interface(
            name,
            _parse_addresses(entries),
            is_up=name in states and states[name].isup,
            is_veth=_is_veth(name),
        )
        for name, entries in psutil.net_if_addrs().items()
    )


def _parse_addresses(entries: list[Any]) -> tuple[InterfaceAddress, ...]:
    addresses: list[InterfaceAddress] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for entry in entries:
            if entry.family == family and entry.netmask:
                plain = entry.address.partition("%")[0]
                length = int(ip_address(entry.netmask)).bit_count()
                addresses.append(ip_interface(f"{plain}/{length}"))
    return tuple(address for address in addresses if not address.is_link_local)


def _is_veth(name: str) -> bool:
    """Return whether the interface and its peer have different numbers, as only a veth's do."""
    folder = Path("/sys/class/net") / name
    number, peer = _read_text(folder / "ifindex"), _read_text(folder / "iflink")
    is_cable = number != peer and not (folder / "device").exists()
    return is_cable and _read_text(folder / "type").strip() == "1"


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
