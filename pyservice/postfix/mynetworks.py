"""Parses, searches and extends Postfix' lists of networks (postconf(5), mynetworks)."""

import re
from collections.abc import Collection, Iterable
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
        "::ffff:127.0.0.0/104",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Networks that the Internet does not route (RFC 1918, 6598, 3927, 4193). `is_private` would also
count the networks for documentation."""
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("::ffff:127.0.0.0/104"))
_NUMBERS = re.compile(r"[0-9A-Fa-f.:/\[\]]+")


@dataclass(frozen=True)
class NetworkEntry:
    """An entry of such a list; the first one that matches an address decides about it."""

    text: str
    network: Network | None
    """None: the entry is a file or a table, or is not valid."""
    is_excluded: bool = False
    """It begins with `!`."""
    fault: str | None = None
    """What is wrong with it, as the rest of a sentence: Postfix answers 451 to every client that no
    entry before it matches, or its smtpd does not start."""
    is_opaque: bool = False
    """It is a file or a table, whose content is not known here."""

    @property
    def is_ignored(self) -> bool:
        """Whether it matches no client: Postfix skips it without a word."""
        return self.network is None and self.fault is None and not self.is_opaque


def parse_entries(value: str) -> tuple[NetworkEntry, ...]:
    """Return the entries of such a list, whose `$names` are replaced already."""
    return tuple(_parse_entry(token) for token in split_list(value))


def split_list(value: str) -> list[str]:
    """Split one of Postfix' lists at commas and blanks, except within braces."""
    return split_words(value, " \t\r\n,")


def split_words(text: str, separators: str) -> list[str]:
    """Split a text as Postfix does (mystrtok.c): braces hold together what is within them."""
    words, word, depth = list[str](), "", 0
    for character in text:
        if character in separators and not depth:
            words += [word] if word else []
            word = ""
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            depth = max(depth - 1, 0)
        word += character
    return [*words, word] if word else words


def append_to_list(value: str, more: Iterable[str]) -> str:
    """Return one of Postfix' lists with more entries, separated as its own are."""
    value = value.strip(", \t")
    return _separator(value).join([*([value] if value else []), *more])


def remove_from_list(value: str, entries: Collection[str]) -> str:
    """Return one of Postfix' lists without some entries; it is separated as before."""
    kept = (entry for entry in split_list(value) if entry not in entries)
    return _separator(value).join(kept)


def correct_entry(text: str) -> str:
    """Return the network that an entry which is not valid may mean; empty: none is known."""
    try:
        network = ip_network(text.translate({ord(c): None for c in "![]"}), strict=False)
    except ValueError:
        return ""
    return ("!" if text.startswith("!") else "") + format_network(network)


def covers(listed: Iterable[NetworkEntry], network: Network) -> bool:
    """Return whether one of the entries holds the whole network."""
    return any(not entry.is_excluded and is_within(network, entry.network) for entry in listed)


def is_listed(listed: Iterable[NetworkEntry], address: Address) -> bool:
    """Return whether an address is within the entries, as far as their content is known here."""
    entry = find_entry(listed, address)
    return entry is not None and not entry.is_excluded


def find_entry(listed: Iterable[NetworkEntry], address: Address) -> NetworkEntry | None:
    """Return the entry that decides about an address, as far as their content is known here."""
    place = ip_network(address)
    return next((entry for entry in listed if is_within(place, entry.network)), None)


def find_exclusions(listed: Iterable[NetworkEntry], network: Network) -> list[NetworkEntry]:
    """Return the `!` entries that exclude some of a network.

    Those behind an entry that holds all of the network have no effect, and are left out.
    """
    exclusions = []
    for entry in listed:
        if covers([entry], network):
            break
        if entry.is_excluded and entry.network is not None and overlap(entry.network, network):
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
    bare = text.translate({ord(bracket): None for bracket in "[]"})  # Postfix writes [fd00::]/64
    if address := address_or_none(bare):
        raise SetupError(
            f"{text!r} has no prefix length, so it would be a single host. "
            f"Do you mean {_network_of(address)}? The host alone is {ip_network(address)}."
        )
    try:
        return ip_network(bare)
    except ValueError:
        pass
    try:
        cure = f"Do you mean {ip_network(bare, strict=False)}?"
    except ValueError:
        cure = "Write it like 172.22.0.0/16; several need the option several times."
    raise SetupError(f"{text!r} is no network. {cure}")


def _network_of(address: Address) -> Network:
    """Return the network that an address likely stands for: 172.22.0.0/16 for 172.22.0.0."""
    if address.version == 6:
        return ip_network(f"{address}/64", strict=False)
    zeros = sum(1 for octet in str(address).split(".")[2:] if octet == "0")
    return ip_network(f"{address}/{16 if zeros == 2 else 24}", strict=False)


def address_or_none(text: str) -> Address | None:
    """Parse an address, with or without brackets; return None where the text is no address."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return ip_address(bare)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Return whether an address is one of the Internet's."""
    return not is_internal(ip_network(address))


def find_objection(network: Network, own_addresses: Iterable[Address]) -> str | None:
    """Return why it is dangerous to relay for a network, as the rest of a sentence about it.

    Args:
        network: the network whose mail Postfix would relay.
        own_addresses: this machine's addresses.

    Returns:
        None where nothing speaks against the network.
    """
    if any(is_within(network, loopback) for loopback in _LOOPBACK):
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
    if not is_internal(network):
        return "is public: machines of the Internet could send through this relay"
    return None


def is_internal(network: Network) -> bool:
    """Return whether the Internet does not route a network."""
    return any(is_within(network, internal) for internal in _INTERNAL)


def is_within(inner: Network, outer: Network | None) -> bool:
    """Return whether a network is a part of another one, or all of it."""
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False


def overlap(one: Network, other: Network) -> bool:
    """Return whether two networks have addresses in common."""
    return one.version == other.version and one.overlaps(other)


def _separator(value: str) -> str:
    return ", " if "," in value or not re.search(r"\s", value) else " "


def _parse_entry(token: str) -> NetworkEntry:
    """Read an entry as Postfix does (match_list.c, match_ops.c, cidr_match.c)."""
    bare = token.lstrip("!")
    is_excluded = (len(token) - len(bare)) % 2 == 1
    if not bare:
        return NetworkEntry(token, None, is_excluded, "has nothing behind it")
    if bare.startswith("/"):
        return NetworkEntry(token, None, is_excluded, is_opaque=True)
    if ":" in bare and not bare.startswith("["):
        fault = _find_fault_in_table(bare)
        return NetworkEntry(token, None, is_excluded, fault, is_opaque=fault is None)
    if not {":", "/"} & set(bare) or not _NUMBERS.fullmatch(bare):
        # Postfix compares the word with an address, and never complains.
        address = address_or_none(bare)
        return NetworkEntry(token, ip_network(address) if address else None, is_excluded)
    try:
        return NetworkEntry(token, _parse_literal(bare), is_excluded)
    except ValueError as error:
        return NetworkEntry(token, None, is_excluded, str(error))


def _find_fault_in_table(text: str) -> str | None:
    kind, _, name = text.partition(":")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None if kind and name else "is neither a network nor a table (type:name)"
    return f"lacks brackets: write {format_network(network)}"


def _parse_literal(text: str) -> Network:
    """Parse a network, or an IPv6 address.

    Raises:
        ValueError: Postfix does not accept it; the message says why.
    """
    if text.startswith("["):
        if "]" not in text:
            raise ValueError("lacks the closing bracket")
        text = text[1:].replace("]", "", 1)
    place, slash, length = text.partition("/")
    address = address_or_none(place)
    if address is None:
        raise ValueError(f"has no valid address ({place!r})")
    if not slash:
        return ip_network(address)
    if not length.isdecimal() or int(length) > address.max_prefixlen:
        raise ValueError(f"has no valid mask: a number from 0 to {address.max_prefixlen} is one")
    network = ip_network((address, int(length)), strict=False)
    if network.network_address != address:
        raise ValueError(f"has host bits: write {format_network(network)}")
    return network
