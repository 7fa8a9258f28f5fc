"""Says which words of inet_interfaces keep Postfix from starting (postconf(5))."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pyservice.postfix.mynetworks import Address, address_or_none, split_list

_ALONE = {"all", "loopback-only"}
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


@dataclass(frozen=True)
class InterfaceFault:
    """A word with which no program of Postfix starts."""

    word: str
    why: str
    """The rest of a sentence about the word."""
    instead: str
    """The word that may be meant; empty: none is known."""


def find_interface_faults(value: str) -> Iterator[InterfaceFault]:
    """Yield the words that Postfix does not accept; whether a name has an address is not known."""
    words = split_list(value)
    for word in words:
        if word in _ALONE:
            if len(words) > 1:
                yield InterfaceFault(word, "which Postfix accepts alone only", "")
        elif word.lower() in _ALONE:
            yield InterfaceFault(word, "which Postfix accepts in small letters only", word.lower())
        elif address_or_none(word) is None and not _NAME.fullmatch(word):
            place = word.partition("/")[0].strip("[]!")
            instead = place if address_or_none(place) else ""
            yield InterfaceFault(word, "which is neither an address nor a host's name", instead)


def find_missing_addresses(value: str, own_addresses: Collection[Address]) -> list[Address]:
    """Return the addresses that this machine does not have; a link-local one can't be known.

    Args:
        value: of inet_interfaces.
        own_addresses: this machine's.
    """
    named = map(address_or_none, split_list(value))
    return [each for each in named if each and not each.is_link_local and each not in own_addresses]
