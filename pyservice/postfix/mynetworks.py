"""Postfix' lists of networks (postconf(5), mynetworks): what they hold, and what is too much."""

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

_INNER = tuple(
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
"""What nobody meets on the Internet (RFC 1918, 6598, 3927, 4193). Not `is_private`, which counts
documentation's networks among them."""
_TOKEN = re.compile(r"(?:[^\s,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+")
_LITERAL = re.compile(r"\[?(?P<address>[0-9A-Fa-f.:]+)\]?(?P<prefix>/\d+)?")


@dataclass(frozen=True)
class Entry:
    """One entry; the first one that matches an address decides about it."""

    text: str
    network: Network | None
    """None: a file, a table or a name, whose content is not known here."""
    is_excluded: bool = False
    """It begins with `!`."""


def entries(value: str) -> tuple[Entry, ...]:
    """The entries of such a list, its `$names` replaced."""
    return tuple(_entry(token) for token in tokens(value))


def tokens(value: str) -> list[str]:
    """What commas or blanks separate, but within braces."""
    return _TOKEN.findall(value)


def appended(value: str, more: Iterable[str]) -> str:
    """The list with more entries, in the way it separates its own."""
    value = value.strip(", \t")
    separator = ", " if "," in value or not re.search(r"\s", value) else " "
    return separator.join([*([value] if value else []), *more])


def covers(listed: Iterable[Entry], network: Network) -> bool:
    """Whether an entry holds the whole network."""
    return any(not entry.is_excluded and _is_within(network, entry.network) for entry in listed)


def is_listed(listed: Iterable[Entry], address: Address) -> bool:
    """Whether an address is among the entries that are known here."""
    for entry in listed:
        if _is_within(ip_network(address), entry.network):
            return not entry.is_excluded
    return False


def excluded(listed: Iterable[Entry], network: Network) -> list[Entry]:
    """The exclusions that concern a network: those before an entry that holds all of it."""
    found = []
    for entry in listed:
        if covers([entry], network):
            break
        if (
            entry.is_excluded
            and entry.network is not None
            and entry.network.version == network.version
            and entry.network.overlaps(network)
        ):
            found.append(entry)
    return found


def written(network: Network) -> str:
    """The network as Postfix reads it: `172.22.0.0/16`, `[fd00::]/64`."""
    if network.version == 4:
        return str(network)
    return f"[{network.network_address}]/{network.prefixlen}"


def parsed(text: str) -> Network:
    """A network as a person writes it.

    Raises:
        SetupError: it is none, or an address within one; says which would be meant.
    """
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = f": {ip_network(text, strict=False)}?"
    except ValueError:
        meant = ", as 172.22.0.0/16 is."
    raise SetupError(f"{text!r} is no network{meant}")


def is_public(address: Address) -> bool:
    """Whether others on the Internet can have or reach it."""
    return not any(_is_within(ip_network(address), network) for network in _INNER)


def too_broad(network: Network, own: Iterable[Address]) -> str | None:
    """Why it may not relay unless somebody insists: the rest of a sentence about it; None: it may.

    Args:
        network: whose mail would be taken.
        own: this machine's addresses.
    """
    if any(_is_within(network, loopback) for loopback in _LOOPBACK):
        return None
    if network.prefixlen == 0:
        return "is the whole Internet: this would be an open relay"
    if network.prefixlen < WIDEST[network.version]:
        return (
            f"is wider than /{WIDEST[network.version]}, which no container network is: all of its "
            "machines could send through this relay"
        )
    for address in own:
        if is_public(address) and address in network:
            return (
                f"holds this machine's public address {address}: its neighbours on the Internet "
                "could send through this relay (an open relay)"
            )
    return None


_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("::ffff:127.0.0.0/104"))


def _entry(token: str) -> Entry:
    is_excluded, bare = token.startswith("!"), token.lstrip("!")
    network = None
    if match := _LITERAL.fullmatch(bare):
        try:
            network = ip_network(match["address"] + (match["prefix"] or ""), strict=False)
        except ValueError:
            network = None
    return Entry(token, network, is_excluded)


def _is_within(inner: Network, outer: Network | None) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False


def address_or_none(text: str) -> Address | None:
    """The address, with or without brackets; None: it is none."""
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None
