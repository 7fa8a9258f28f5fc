"""What this machine or container is, and which address reaches the node's Postfix.

`classify` decides it, from what `facts.read_facts` has read; it is pure.
"""

from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyservice.errors import ConfigurationError
from pyservice.postfix.mynetworks import covers, parse_entries
from pyservice.setup.node.facts import BRIDGES, Facts, bridge_names, read_facts
from pyservice.smtp import Connection

CALICO = "169.254.1.1"
"""The gateway that Calico gives to every pod: no machine has this address."""
_GIVEN = "given"
"""The source of an address that a person has set."""


@dataclass(frozen=True)
class Bridge:
    """A container bridge of this machine."""

    interface: str
    address: str | None
    network: str | None
    """Its containers' network: `172.22.91.0/24`."""
    is_up: bool
    """A bridge without a single container counts as down."""

    @property
    def is_lasting(self) -> bool:
        """Whether its engine keeps it, unlike a Compose network's, which goes with the network."""
        return self.interface in BRIDGES


@dataclass(frozen=True)
class Candidate:
    """An address that could reach the node's Postfix."""

    address: str
    source: str
    reason: str
    """Why it was chosen, or why not."""
    is_chosen: bool


@dataclass(frozen=True)
class Node:
    """What this machine is, and how its containers reach Postfix."""

    is_container: bool
    why: str
    """Why it counts as a container or as a node."""
    address: str | None
    """Where containers reach the node's Postfix; None: no address fits."""
    network: str | None
    """Where the containers' mail comes from; None: unknown, as within a container."""
    bridges: tuple[Bridge, ...]
    candidates: tuple[Candidate, ...]

    @property
    def bridge(self) -> Bridge | None:
        """The bridge that has the chosen address, if one has."""
        return next((b for b in self.bridges if b.address == self.address), None)

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks of all containers: the cluster's, and the bridge's if that lies outside."""
        cluster = parse_entries(self.network or "")  # flannel may have several
        bridge = self.bridge.network if self.bridge else None
        more = [bridge] if bridge and not covers(cluster, ip_network(bridge)) else []
        return (*(entry.text for entry in cluster), *more)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class MailServer:
    """A mail server that greets with 220."""

    host: str
    port: int
    greeting: str


def detect_node(address: str | None = None, bridge: str | None = None) -> Node:
    """Read this machine, and decide what it is.

    Args:
        address: one that somebody has set, which is preferred to all that are detected.
        bridge: the name of a bridge whose address is preferred.

    Raises:
        ConfigurationError: that is no usable IP address, or no container bridge with one.
    """
    facts = read_facts()
    if bridge is not None:
        address = _find_address(list_bridges(facts), bridge)
    if address is not None and (objection := _find_objection(address)):
        raise ConfigurationError(f"The address {address!r} can't be a node's: {objection}.")
    return classify(facts, address)


def find_mail_server(bridge: Bridge | None) -> MailServer | None:
    """Find this machine's Postfix, at the bridge's address or else at localhost.

    Returns:
        None: neither of them greets with 220.
    """
    for host in (*([bridge.address] if bridge and bridge.address else []), "127.0.0.1"):
        try:
            return MailServer(host, 25, Connection(host, 25).greeting())
        except ConnectionError:
            continue
    return None


def classify(facts: Facts, address: str | None = None) -> Node:
    """Decide what a machine is, and which address to use."""
    bridges = list_bridges(facts)
    signs = _list_container_signs(facts)
    is_container = not bridges and bool(signs)
    if is_container:
        why = f"no container bridge, and {signs[0]}"
        options = _options_in_container(facts)
    else:
        names = ", ".join(bridge.interface for bridge in bridges)
        why = f"it has {names}" if names else "neither a container bridge nor a sign of a container"
        options = _options_on_node(bridges)
    if address is not None:
        options.insert(0, (address, _GIVEN, "it was set by hand"))
    candidates = _choose(options)
    chosen = next((c.address for c in candidates if c.is_chosen), None)
    bridge = next((b for b in bridges if b.address == chosen), None)
    network = None
    if not is_container:
        network = facts.flannel_network or (bridge.network if bridge else None)
    return Node(is_container, why, chosen, network, bridges, candidates)


def list_bridges(facts: Facts) -> tuple[Bridge, ...]:
    """Return a machine's container bridges in the order of preference.

    Those that their engine keeps come first, since their address stays; then those that are up.
    """
    by_name = {interface.name: interface for interface in facts.interfaces}
    bridges = []
    for name in bridge_names(facts.interfaces):
        interface = by_name[name]
        first = next(iter(interface.addresses), None)
        address, network = (str(first.ip), str(first.network)) if first else (None, None)
        bridges.append(Bridge(name, address, network, interface.is_up))
    return tuple(sorted(bridges, key=lambda each: (not each.is_lasting, not each.is_up)))


def _find_address(bridges: tuple[Bridge, ...], name: str) -> str:
    """Return the address of a bridge that somebody has named."""
    bridge = next((each for each in bridges if each.interface == name), None)
    if bridge is None:
        names = ", ".join(each.interface for each in bridges) or "none"
        raise ConfigurationError(
            f"There is no container bridge {name!r}; this machine has {names}. Another interface "
            "can be named by its address: --address."
        )
    if bridge.address is None:
        raise ConfigurationError(f"The bridge {name} has no address: is its engine running?")
    return bridge.address


def _list_container_signs(facts: Facts) -> list[str]:
    way_out = {gateway.interface for gateway in facts.gateways}
    veths = [i.name for i in facts.interfaces if i.is_veth and i.name in way_out]
    return [*facts.markers, *(f"{name} is one end of a veth" for name in veths)]


_Option = tuple[str, str, str]
"""An address, its source, and why it may be chosen."""


def _options_on_node(bridges: tuple[Bridge, ...]) -> list[_Option]:
    reason = "it is the containers' default gateway"
    return [(bridge.address or "", bridge.interface, reason) for bridge in bridges]


def _options_in_container(facts: Facts) -> list[_Option]:
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
    """Choose the first address that nothing speaks against."""
    candidates: list[Candidate] = []
    chosen: str | None = None
    for address, source, reason in options:
        objection = _find_objection(address, source) or (
            f"{chosen} comes first" if chosen else None
        )
        candidates.append(Candidate(address, source, objection or reason, objection is None))
        if objection is None:
            chosen = source
    return tuple(candidates)


def _find_objection(address: str, source: str = _GIVEN) -> str | None:
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
