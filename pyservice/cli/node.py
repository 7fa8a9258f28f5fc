"""`node`: which address reaches the node's Postfix."""

import json
import sys
from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.setup.node import detect


def node(
    address: Annotated[
        str | None, typer.Option(help="The node's address, where you know better.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    address_only: Annotated[
        bool, typer.Option("--address-only", help="The address and nothing else.")
    ] = False,
) -> None:
    """Show what this machine or container is, and which address reaches the node's Postfix.

    On a node that is its container bridge's address (docker0, cni0, cbr0, podman0, br-…); in a
    container the variable NODE_IP, host.docker.internal or the default gateway. Exit code 1:
    nothing fits.

    \b
    Examples:
      notify-email node
      SMTP=$(notify-email node --address-only)
    """
    found = detect.look(address)
    if address_only:
        print(found.address or "")
    elif as_json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        _tell(found)
    if found.address is None:
        print(f"notify-email: {nothing_fits(found)}", file=sys.stderr)
        raise typer.Exit(1)


def nothing_fits(found: detect.Node) -> str:
    """What to do where no address was found."""
    if found.is_container:
        return (
            "Nothing in here tells the node's address: set the variable NODE_IP, in Kubernetes "
            "from status.hostIP, or give --address."
        )
    return "There is no container bridge with an address: start Docker, or give --address."


def _tell(found: detect.Node) -> None:
    kind = "a container or pod" if found.is_container else "a node"
    show.facts(
        {
            "This is": f"{kind}: {found.why}",
            "Address": found.address or "none",
            "Containers": ", ".join(found.networks) or None,
        }
    )
    for bridge in found.bridges:
        where = f"{bridge.address}, {bridge.network}" if bridge.address else "no address"
        show.facts({"Bridge": f"{bridge.interface}: {where}, {'up' if bridge.is_up else 'down'}"})
    for one in found.candidates:
        mark = "chosen" if one.is_chosen else "not"
        show.facts({"": f"{one.address or '-'} ({one.source}) {mark}: {one.reason}"})
