"""Finds out whether a list of networks, such as mynetworks, lets in the Internet."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from pyservice.postfix.mynetworks import Network, NetworkEntry, is_internal, is_within, overlap

_WIDEST = {4: 8, 6: 16}
"""The shortest prefix of a public network that one organisation may have."""


def find_open_entries(listed: Iterable[NetworkEntry]) -> list[NetworkEntry]:
    """Return the entries that together let in the Internet, or a part that nobody owns alone.

    An exclusion takes away only what it names, and only from entries behind it.
    """
    entries = list(listed)
    wide = [
        network
        for network in _admitted(entries)
        if network.prefixlen < _WIDEST[network.version] and not is_internal(network)
    ]
    return [
        entry
        for entry in entries
        if not entry.is_excluded
        and entry.network is not None
        and not is_internal(entry.network)
        and any(overlap(entry.network, network) for network in wide)
    ]


def _admitted(entries: Iterable[NetworkEntry]) -> Iterable[Network]:
    """Return what the entries match, each network as wide as possible."""
    excluded: list[Network] = []
    admitted: list[Network] = []
    for entry in entries:
        if entry.network is None:
            continue
        if entry.is_excluded:
            excluded.append(entry.network)
            continue
        pieces: list[Network] = [entry.network]
        for hole in excluded:
            pieces = [left for piece in pieces for left in _without(piece, hole)]
        admitted += pieces
    yield from collapse_addresses(net for net in admitted if isinstance(net, IPv4Network))
    yield from collapse_addresses(net for net in admitted if isinstance(net, IPv6Network))


def _without(network: Network, hole: Network) -> Iterable[Network]:
    if is_within(network, hole):
        return ()
    if isinstance(network, IPv4Network) and isinstance(hole, IPv4Network):
        return network.address_exclude(hole) if is_within(hole, network) else (network,)
    if isinstance(network, IPv6Network) and isinstance(hole, IPv6Network):
        return network.address_exclude(hole) if is_within(hole, network) else (network,)
    return (network,)
