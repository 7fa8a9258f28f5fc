"""Parses, searches and extends Postfix' lists of networks (postconf(5), mynetworks)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from pyservice.errors import SetupError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

WIDEST = {4: 12, 6: 48}
"""The shortest prefix that a container network may have: Docker's whole pool is a /12."""

_INTERNAL = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Networks that the Internet does not route (RFC 1918, 6598, 3927, 4193). `is_private` would also
count the networks for documentation."""
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("::ffff:127.0.0.0/104"))
_TOKEN = re.compile(r"(?:[^\s,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+")
_LITERAL = re.compile(r"\[?(?P<address>[0-9A-Fa-f.:]+)\]?(?P<prefix>/\d+)?")


@dataclass(frozen=True)
class NetworkEntry:
    """An entry of such a list; the first one that matches an address decides about it."""

    text: str
    network: Network | None
    """None: the entry is a file, a table or a name, whose content is not known here."""
    is_excluded: bool = False
    """It begins with `!`."""


def parse_entries(value: str) -> tuple[NetworkEntry, ...]:
    """Return the entries of such a list, whose `$names` are replaced already."""
    return tuple(_parse_entry(token) for token in split_list(value))


def split_list(value: str) -> list[str]:
    """Split one of Postfix' lists at commas and blanks, except within braces."""
    return _TOKEN.findall(value)


def append_to_list(value: str, more: Iterable[str]) -> str:
    """Return one of Postfix' lists with more entries, separated as its own are."""
    value = value.strip(", \t")
    separator = ", " if "," in value or not re.search(r"\s", value) else " "
    return separator.join([*([value] if value else []), *more])


def covers(listed: Iterable[NetworkEntry], network: Network) -> bool:
    """Return whether one of the entries holds the whole network."""
    return any(not entry.is_excluded and _is_within(network, entry.network) for entry in listed)


def is_listed(listed: Iterable[NetworkEntry], address: Address) -> bool:
    """Return whether an address is within the entries, as far as their content is known here."""
    for entry in listed:
        if _is_within(ip_network(address), entry.network):
            return not entry.is_excluded
    return False


def find_exclusions(listed: Iterable[NetworkEntry], network: Network) -> list[NetworkEntry]:
    """Return the `!` entries that exclude some of a network.

    Those behind an entry that holds all of the network have no effect, and are left out.
    """
    exclusions = []
    for entry in listed:
        if covers([entry], network):
            break
        if (
            entry.is_excluded
            and entry.network is not None
            and entry.network.version == network.version
            and entry.network.overlaps(network)
        ):
            exclusions.append(entry)
    return exclusions


def format_network(network: Network) -> str:
    """Return a network in Postfix' notation: `172.22.0.0/16`, `[fd00::]/64`."""
    if network.version == 4:
        return str(network)
    return f"[{network.network_address}]/{network.prefixlen}"


def parse_network(text: str) -> Network:
    """Parse a network that a person has written.

    Raises:
        SetupError: the text is no network; an address within one is answered with that network.
    """
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        cure = f"Do you mean {ip_network(text, strict=False)}?"
    except ValueError:
        cure = "Write it like 172.22.0.0/16."
    raise SetupError(f"{text!r} is no network. {cure}")


def address_or_none(text: str) -> Address | None:
    """Parse an address, with or without brackets; return None where the text is no address."""
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Return whether an address is one of the Internet's."""
    return not any(_is_within(ip_network(address), network) for network in _INTERNAL)


def find_objection(network: Network, own_addresses: Iterable[Address]) -> str | None:
    """Return why it is dangerous to relay for a network, as the rest of a sentence about it.

    Args:
        network: the network whose mail Postfix would relay.
        own_addresses: this machine's addresses.

    Returns:
        None where nothing speaks against the network.
    """
    if any(_is_within(network, loopback) for loopback in _LOOPBACK):
        return None
    if network.prefixlen == 0:
        return "is the whole Internet: this would be an open relay"
    widest = WIDEST[network.version]
    if network.prefixlen < widest:
        return (
            f"is wider than /{widest}, which no container network is: all of its machines could "
            "send through this relay"
        )
    for address in own_addresses:
        if is_public(address) and address in network:
            return (
                f"holds this machine's public address {address}: its neighbours on the Internet "
                "could send through this relay (an open relay)"
            )
    return None


def _parse_entry(token: str) -> NetworkEntry:
    is_excluded, bare = token.startswith("!"), token.lstrip("!")
    network = None
    if match := _LITERAL.fullmatch(bare):
        try:
            network = ip_network(match["address"] + (match["prefix"] or ""), strict=False)
        except ValueError:
            network = None
    return NetworkEntry(token, network, is_excluded)


def _is_within(inner: Network, outer: Network | None) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False
