"""The node: its container bridge, and the Postfix that answers there."""

import socket
from dataclasses import dataclass

import psutil

from pyservice.smtp import Connection

BRIDGES = ("docker0", "cni0", "cbr0", "podman0")
"""Interfaces that containers reach their node by, the likeliest first."""


@dataclass(frozen=True)
class Bridge:
    """A container bridge with an IPv4 address."""

    interface: str
    address: str


@dataclass(frozen=True)
class Relay:
    """A mail server that greets with 220."""

    host: str
    port: int
    greeting: str


def find_bridge() -> Bridge | None:
    """This machine's container bridge."""
    interfaces = psutil.net_if_addrs()
    for name in BRIDGES:
        for address in interfaces.get(name, []):
            if address.family == socket.AF_INET:
                return Bridge(name, address.address)
    return None


def find_relay(bridge: Bridge | None) -> Relay | None:
    """This machine's Postfix: at the bridge's address, as containers meet it, else at localhost."""
    for host in (*([bridge.address] if bridge else []), "127.0.0.1"):
        try:
            return Relay(host, 25, Connection(host, 25).greeting())
        except ConnectionError:
            continue
    return None
