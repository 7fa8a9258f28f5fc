"""Removes what an apply added for a bridge's address that no interface has any more.

With such an address in inet_interfaces Postfix does not start. What an administrator added stays.
"""

from pyservice.postfix.interfaces import find_missing_addresses
from pyservice.postfix.mynetworks import Address, Network, address_or_none, parse_entries
from pyservice.setup.relay.boot import listener_address
from pyservice.setup.relay.changes import RelayPlanBuilder


def remove_stale(
    builder: RelayPlanBuilder, address: Address, networks: tuple[Network, ...]
) -> tuple[Address, ...]:
    """Remove the addresses that are gone, their listeners and their networks.

    Args:
        builder: of the plan.
        address: where containers reach the relay: it stays, even if it comes later.
        networks: what the relay is for: they stay.

    Returns:
        The addresses that are gone.
    """
    present = {*builder.state.addresses, address}
    entries = {
        text: gone
        for text in builder.added("inet_interfaces")
        if (gone := address_or_none(text)) and gone not in present
    }
    listeners = {
        name: gone
        for name, line in builder.state.added_services.items()
        if (gone := listener_address(name)) and gone not in present
        if builder.configuration.services.get(name, "").split() == line.split()
    }
    stale = tuple(dict.fromkeys((*entries.values(), *listeners.values())))
    named = " and ".join(map(str, stale))
    why = f"No interface of this machine has {named} any more."
    builder.remove_entries("inet_interfaces", entries, f"{why} With it Postfix does not start.")
    for name in listeners:
        builder.set_service(name, None, why)
    outdated = [
        entry.text
        for entry in parse_entries(" ".join(builder.added("mynetworks")))
        if entry.network is not None and entry.network not in networks
        if any(gone in entry.network for gone in stale)
        and not any(own in entry.network for own in present)
    ]
    builder.remove_entries("mynetworks", outdated, f"It was the network of {named}, which is gone.")
    return stale


def note_unknown_addresses(builder: RelayPlanBuilder, address: Address) -> None:
    """Name the addresses of inet_interfaces that no interface has, and that no apply added."""
    present = {*builder.state.addresses, address}
    for missing in find_missing_addresses(builder.effective("inet_interfaces"), present):
        builder.add_note(
            f"inet_interfaces names {missing}, which no interface of this machine has, so Postfix "
            "does not start. It was not added by `relay apply`, so it stays: take it out of "
            "main.cf (postconf -e inet_interfaces=…)."
        )
