"""What this machine or container is, and which address reaches the node's Postfix.

A pure function of what `machine.read` has read.
"""

from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyservice.errors import ConfigurationError
from pyservice.postfix.mynetworks import covers, entries
from pyservice.setup.node.facts import Facts, bridge_names, read
from pyservice.smtp import Connection

CALICO = "169.254.1.1"
"""The gateway that Calico gives to every pod: nobody's address."""
_GIVEN = "given"


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

    @property
    def networks(self) -> tuple[str, ...]:
        """All that containers' mail comes from: the cluster's, and the bridge's outside of it."""
        known = entries(self.network or "")  # of flannel's there may be several
        own = self.bridge.network if self.bridge else None
        more = [own] if own and not covers(known, ip_network(own)) else []
        return (*(entry.text for entry in known), *more)

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

    Raises:
        ConfigurationError: that is no IP address.
    """
    if address is not None and (objection := _objection(address)):
        raise ConfigurationError(f"The address {address!r} can't be a node's: {objection}.")
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
        options.insert(0, (address, _GIVEN, "it was set by hand"))
    candidates = _choose(options)
    chosen = next((c.address for c in candidates if c.is_chosen), None)
    bridge = next((b for b in bridges if b.address == chosen), None)
    network = None
    if not is_container:
        network = facts.flannel_network or (bridge.network if bridge else None)
    return Node(is_container, why, chosen, network, bridges, candidates)


def _bridges(facts: Facts) -> tuple[Bridge, ...]:
    found = {interface.name: interface for interface in facts.interfaces}
    bridges = []
    for name in bridge_names(facts.interfaces):
        interface = found[name]
        first = next(iter(interface.addresses), None)
        address, network = (str(first.ip), str(first.network)) if first else (None, None)
        bridges.append(Bridge(name, address, network, interface.is_up))
    return tuple(bridges)


_Option = tuple[str, str, str]
"""Address, its source, and why it would be the one."""


def _seen_from_the_node(bridges: tuple[Bridge, ...]) -> list[_Option]:
    reason = "it is the containers' default gateway"
    return [(bridge.address or "", bridge.interface, reason) for bridge in bridges]


def _seen_from_inside(facts: Facts) -> list[_Option]:
    options = []
    if facts.node_ip:
        options.append((facts.node_ip, "NODE_IP", "the environment names the node"))
    if facts.host_name:
        name, address = facts.host_name
        options.append((address, name, "the container engine's name for the node"))
    options += [
        (gateway.address, "default gateway", f"the node is the way out of {gateway.interface}")
        for gateway in facts.gateways
    ]
    return options


def _choose(options: list[_Option]) -> tuple[Candidate, ...]:
    """The first one that nothing speaks against."""
    candidates: list[Candidate] = []
    chosen: str | None = None
    for address, source, reason in options:
        objection = _objection(address, source) or (f"{chosen} comes first" if chosen else None)
        candidates.append(Candidate(address, source, objection or reason, objection is None))
        if objection is None:
            chosen = source
    return tuple(candidates)


def _objection(address: str, source: str = _GIVEN) -> str | None:
    if not address:
        return "it has no address: is its container engine running?"
    if address == CALICO:
        return "Calico's, no node's: hand in status.hostIP as NODE_IP"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "it is no IP address"
    if parsed.version == 6 and parsed.is_link_local:
        return "it is link-local, so no mail server's setting: hand in status.hostIP as NODE_IP"
    if parsed.is_unspecified or (parsed.is_loopback and source != _GIVEN):
        return "it leads back into here"
    return None
