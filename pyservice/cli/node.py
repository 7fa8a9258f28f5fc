"""`node`: which address reaches the node's Postfix."""

from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.setup.node import detect


def node(
    address: Annotated[
        str | None, typer.Option(help="The node's address, if you know better.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    address_only: Annotated[
        bool, typer.Option("--address-only", help="The address and nothing else.")
    ] = False,
) -> None:
    """Show what this machine or container is, and which address reaches the node's Postfix.

    On a node it is the address of the container bridge: docker0, docker_gwbridge, cni0, cbr0,
    podman0 or nerdctl0, those that are up first, else that of a Compose network (br-…). In a
    container it is the variable NODE_IP, host.docker.internal or the default gateway. Exit code 1:
    there is none.

    \b
    Examples:
      notify-email node
      SMTP=$(notify-email node --address-only)
    """
    detected = detect.detect_node(address)
    if address_only:
        show.line(detected.address or "")
    elif as_json:
        show.json(detected.as_json())
    else:
        _show_node(detected)
    if detected.address is None:
        show.say(f"notify-email: {missing_address(detected)}")
        raise typer.Exit(1)


def missing_address(detected: detect.Node) -> str:
    """Return what to do where no address was found."""
    if detected.is_container:
        return (
            "Nothing in here names the node's address: set the variable NODE_IP, in Kubernetes "
            "from status.hostIP, or give --address."
        )
    return (
        "There is no container bridge with an address: start the container engine, or give "
        "--address."
    )


def _show_node(detected: detect.Node) -> None:
    kind = "a container or pod" if detected.is_container else "a node"
    show.facts(
        {
            "This is": f"{kind}: {detected.why}",
            "Address": detected.address or "none",
            "Containers": ", ".join(detected.networks) or None,
        }
    )
    for bridge in detected.bridges:
        where = f"{bridge.address}, {bridge.network}" if bridge.address else "no address"
        show.facts({"Bridge": f"{bridge.interface}: {where}, {'up' if bridge.is_up else 'down'}"})
    for candidate in detected.candidates:
        mark = "chosen" if candidate.is_chosen else "not"
        address = candidate.address or "-"
        show.facts({"": f"{address} ({candidate.source}) {mark}: {candidate.reason}"})
