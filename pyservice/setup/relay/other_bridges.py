"""Finds the container bridges that are up and not served, and the command that serves each.

One apply serves one bridge. A Compose network's bridge goes with the network, and with its address
in inet_interfaces Postfix would not start afterwards: so it is served by --boot-safe.
"""

from ipaddress import ip_address, ip_network

from pyservice.postfix.mynetworks import Network, address_or_none, covers, split_list
from pyservice.setup.node.detect import Bridge
from pyservice.setup.relay.boot import listener_name
from pyservice.setup.relay.changes import RelayPlanBuilder, UnservedBridge


def find_unserved(
    builder: RelayPlanBuilder, bridge: str | None, networks: tuple[Network, ...]
) -> tuple[UnservedBridge, ...]:
    """Return the bridges whose containers can't send even after the plan; a note names each.

    Args:
        builder: of the plan, complete.
        bridge: the one that the plan serves.
        networks: those that the plan admits.
    """
    configuration = builder.configuration
    where = "" if configuration.is_default else f" --config-dir {configuration.folder}"
    found = []
    for each in builder.state.bridges:
        if each.interface == bridge or not each.is_up or each.address is None:
            continue
        if _is_served(builder, each, networks):
            continue
        more = "" if each.is_lasting else " --boot-safe"
        command = f"notify-email relay apply{where} --bridge {each.interface}{more}"
        found.append(UnservedBridge(each.interface, each.address, command))
        builder.add_note(f"{each.interface} ({each.address}) is up and not served: `{command}`.")
    return tuple(found)


def _is_served(builder: RelayPlanBuilder, bridge: Bridge, networks: tuple[Network, ...]) -> bool:
    address = ip_address(bridge.address or "")
    interfaces = builder.effective("inet_interfaces")
    listens = (
        interfaces == "all"
        or address in map(address_or_none, split_list(interfaces))
        or listener_name(address) in builder.configuration.services
    )
    network = ip_network(bridge.network or "")
    is_admitted = network in networks or covers(builder.mynetworks, network)
    return listens and is_admitted
