"""Reads a controller, writes what differs, reads it back, and takes it back."""

from dataclasses import dataclass
from typing import Any

from pyservice.setup.jenkins import planner
from pyservice.setup.jenkins.connection import Controller
from pyservice.setup.jenkins.desired import DesiredJenkins, Settings
from pyservice.setup.jenkins.planner import JenkinsState
from pyservice.setup.jenkins.record import plan_revert, with_apply
from pyservice.setup.plan import Plan


@dataclass(frozen=True)
class Proposal:
    """A plan, with what it was made from."""

    desired: DesiredJenkins
    state: JenkinsState
    plan: Plan


def read_state(controller: Controller, desired: DesiredJenkins) -> JenkinsState:
    """Read a controller's settings, and what it sees of its node and the service: one request.

    Raises:
        SetupError: they can't be read; says why.
    """
    return JenkinsState.parse(controller.run("address settings service read", desired.script_input))


def propose(controller: Controller, desired: DesiredJenkins) -> Proposal:
    """Return the plan for a controller that is up.

    Raises:
        SetupError: it can't be read, lacks a plugin, or reaches no Postfix.
    """
    state = read_state(controller, desired)
    place = f"Jenkins {controller.version} at {controller.url}"
    return Proposal(desired, state, planner.plan_jenkins(desired, state, place))


def apply(controller: Controller, proposal: Proposal) -> None:
    """Write what the plan says; the script checks that Jenkins keeps it, and undoes it otherwise.

    Raises:
        SetupError: it was refused, could not be saved, or was not kept; and is undone.
    """
    desired = proposal.desired
    differences = planner.differences(desired, proposal.state)
    if not differences:
        return
    script_settings: dict[str, dict[str, Any]] = dict(differences)
    if "credential" in script_settings:
        script_settings["credential"] = {"password": desired.token}
    record = with_apply(proposal.state, differences, desired)
    values = {"settings": script_settings, "record": record}
    controller.run("settings write", desired.script_input | values)


def propose_revert(controller: Controller) -> tuple[Plan, Settings]:
    """Return the plan that takes all applies back, and the settings that it writes.

    Raises:
        SetupError: the controller can't be read.
    """
    values = DesiredJenkins().script_input | {"reverts": True}
    state = JenkinsState.parse(controller.run("address settings service read", values))
    return plan_revert(state, f"Jenkins {controller.version} at {controller.url}")


def revert(controller: Controller, settings: Settings) -> None:
    """Write what `propose_revert` has returned, and forget the record.

    Raises:
        SetupError: as for `apply`.
    """
    values = {"settings": settings, "record": None}
    controller.run("settings write", DesiredJenkins().script_input | values)
