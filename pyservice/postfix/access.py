"""Finds what is wrong with who may send through a Postfix: too few, or too many.

Computed from its configuration; nothing is tried.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyservice.postfix import restrictions
from pyservice.postfix.instance import Configuration
from pyservice.postfix.interfaces import find_interface_faults
from pyservice.postfix.mynetworks import Network, correct_entry, split_list
from pyservice.postfix.open_networks import find_open_entries
from pyservice.postfix.restrictions import Decision

Kind = Literal["invalid-interface", "invalid-network", "open-network", "restriction"]


@dataclass(frozen=True)
class AccessFault:
    """One thing that keeps containers from sending, or lets strangers send."""

    kind: Kind
    sentence: str
    command: str
    """What cures it, in a shell of the node, for the default instance."""


def find_faults(
    configuration: Configuration, address: str, allowed: Collection[Network] = ()
) -> Iterator[AccessFault]:
    """Yield what is wrong with who may send.

    Args:
        configuration: the instance's.
        address: where containers reach it.
        allowed: the networks that may be as wide as they are.
    """
    yield from _find_invalid_interfaces(configuration)
    yield from _find_invalid_networks(configuration)
    yield from _find_open_networks(configuration, allowed)
    yield from _find_restrictions(configuration, address)


def settings_at(configuration: Configuration, address: str) -> Mapping[str, str]:
    """Return the settings in force for the service that containers reach at an address."""
    service = configuration.smtpd_at(address)
    line = configuration.services[service] if service else ""
    return restrictions.in_service(configuration.effective, line)


def _find_invalid_interfaces(configuration: Configuration) -> Iterator[AccessFault]:
    value = configuration.effective.get("inet_interfaces", "")
    faults = {fault.word: fault for fault in find_interface_faults(value)}
    words = [faults[word].instead if word in faults else word for word in split_list(value)]
    kept = ", ".join(dict.fromkeys(filter(None, words)))
    for fault in faults.values():
        sentence = f"inet_interfaces has {fault.word}, {fault.why}: Postfix does not start."
        setting = shlex.quote(f"inet_interfaces={kept or 'localhost'}")
        # A reload would not read it.
        command = f"postconf -e {setting} && notify-email relay apply"
        yield AccessFault("invalid-interface", sentence, command)


def _find_invalid_networks(configuration: Configuration) -> Iterator[AccessFault]:
    for entry in configuration.mynetworks:
        if entry.fault:
            sentence = (
                f"mynetworks has the entry {entry.text}, which {entry.fault}. Postfix answers 451 "
                "to clients that no entry before it lets in, or does not greet."
            )
            command = _replace_networks(configuration, {entry.text: correct_entry(entry.text)})
            yield AccessFault("invalid-network", sentence, command)


def _find_open_networks(
    configuration: Configuration, allowed: Collection[Network]
) -> Iterator[AccessFault]:
    others = (entry for entry in configuration.mynetworks if entry.network not in allowed)
    entries = dict.fromkeys((entry.text for entry in find_open_entries(others)), "")
    if entries:
        sentence = (
            f"mynetworks lets in the Internet ({', '.join(entries)}): Postfix is an open relay, "
            "which sends anybody's mail."
        )
        yield AccessFault("open-network", sentence, _replace_networks(configuration, entries))


def _replace_networks(configuration: Configuration, instead: Mapping[str, str]) -> str:
    """Return the command that replaces entries of mynetworks, or by nothing removes them.

    What a file holds only a person can replace.
    """
    for file in (text.lstrip("!") for text in instead):
        if Path(file).is_file():
            return f"${{EDITOR:-vi}} {shlex.quote(file)} && postfix reload"
    now = split_list(configuration.effective["mynetworks"])
    kept = filter(None, (instead.get(word, word) for word in now))
    return _command("-e", f"mynetworks={', '.join(kept)}")


def _find_restrictions(configuration: Configuration, address: str) -> Iterator[AccessFault]:
    service = configuration.smtpd_at(address)
    own = restrictions.overrides(configuration.services[service]) if service else {}
    settings = settings_at(configuration, address)
    for name in restrictions.LISTS:
        verdict = restrictions.decide(name, settings)
        if verdict.decision is not Decision.REFUSE:
            continue
        if name in own:
            place = f"master.cf, {service}"
            value = ",".join(["permit_mynetworks", *split_list(own[name])])
            command = _command("-P", f"{service}/{name}={value}")  # which takes no blanks
        else:
            place = "main.cf"
            value = configuration.written.get(name, settings[name])
            command = _command("-e", f"{name}=permit_mynetworks, {value}")
        sentence = (
            f"{name} ({place}) refuses containers' mail by {verdict.restriction}, since no "
            "permit_mynetworks comes before it."
        )
        yield AccessFault("restriction", sentence, command)


def _command(option: str, setting: str) -> str:
    return f"postconf {option} {shlex.quote(setting)} && postfix reload"
