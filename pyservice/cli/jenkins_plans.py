"""What `jenkins plan` and `jenkins apply` do: for one controller, or for an inventory's."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pyservice.cli import show
from pyservice.cli.jenkins_options import (
    ConnectionOptions,
    DesiredOptions,
    desired_jenkins,
    given,
    split_connection,
)
from pyservice.errors import ConfigurationError
from pyservice.setup.plan import Plan

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.setup.jenkins.apply import Proposal
    from pyservice.setup.jenkins.desired import DesiredJenkins


def show_plans(
    inventory: Path | None,
    connection: ConnectionOptions,
    options: DesiredOptions,
    *,
    applies: bool,
    as_json: bool,
) -> list[Plan]:
    """Show the plans for one controller or for an inventory's, and perhaps apply them."""
    if inventory is not None:
        return _all(inventory, connection, options, applies=applies, as_json=as_json)
    return [_single(connection, options, applies=applies, as_json=as_json)]


def _single(
    connection: ConnectionOptions, options: DesiredOptions, *, applies: bool, as_json: bool
) -> Plan:
    """Show the plan for one controller, and perhaps apply it."""
    from pyservice.setup.jenkins import apply, bootstrap  # noqa: PLC0415

    desired = desired_jenkins(given(options))  # a mistake there is reported without waiting
    controller = connection.connect()
    proposal = apply.propose(controller, desired)
    applied = applies and not proposal.plan.in_sync
    if as_json:
        if applied:
            apply.apply(controller, proposal)
        show.json(proposal.plan.as_json() | {"applied": applied})
        return proposal.plan
    show.plan(proposal.plan, as_json=False)
    if applied:
        apply.apply(controller, proposal)
        show.line("Applied, and read back. `notify-email jenkins revert` takes it back.")
    if proposal.state.casc:
        show.line("For JCasC, into your own lists:\n")
        show.line(bootstrap.jcasc(_resolved(proposal)))
    return proposal.plan


def _resolved(proposal: "Proposal") -> "DesiredJenkins":
    """Return what is desired with the address that Postfix has, without an absent plugin."""
    from pyservice.setup.jenkins import planner  # noqa: PLC0415

    desired, state = proposal.desired, proposal.state
    has_email_ext = state.settings["emailExt"] is not None
    return replace(
        desired,
        address=planner.find_address(desired, state),
        email_ext=desired.email_ext and has_email_ext,
    )


def _all(
    inventory: Path,
    connection: ConnectionOptions,
    options: DesiredOptions,
    *,
    applies: bool,
    as_json: bool,
) -> list[Plan]:
    """Show a line for each controller of an inventory, and apply its plan if `applies`.

    Exits with 1 if one of them failed.
    """
    from pyservice.setup.jenkins import apply  # noqa: PLC0415
    from pyservice.setup.jenkins.inventory import for_each, read  # noqa: PLC0415

    if connection.jenkins_url is not None:
        raise ConfigurationError("--jenkins-url is one controller, and --inventory names many.")
    controllers = read(inventory)
    connections, desired = {}, {}
    for name, values in controllers.items():
        connections[name], rest = split_connection(values | given(connection) | given(options))
        try:
            desired[name] = desired_jenkins(rest)
        except ConfigurationError as error:  # before the first of them is changed
            raise ConfigurationError(f"{inventory}: [controllers.{name}]: {error}") from None

    def plan_controller(name: str) -> Plan:
        controller = connections[name].connect()
        proposal = apply.propose(controller, desired[name])
        if applies:
            apply.apply(controller, proposal)
        return proposal.plan

    results = []
    for result in for_each(list(controllers), plan_controller, stop_after_first=applies):
        results.append(result)
        if not as_json:
            show.line(result.line(applied=applies))
    if as_json:
        show.json([result.as_json() for result in results])
    if any(result.error for result in results):
        raise typer.Exit(1)
    return [result.plan for result in results if result.plan]
