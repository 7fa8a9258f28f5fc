"""Reading a controller, writing what differs, and reading it back."""

from dataclasses import dataclass
from typing import Any

from pyservice.setup.jenkins import planner
from pyservice.setup.jenkins.connection import Controller
from pyservice.setup.jenkins.desired import Wanted
from pyservice.setup.jenkins.planner import Found
from pyservice.setup.plan import Plan


@dataclass(frozen=True)
class Proposal:
    """A plan with what it was made from."""

    wanted: Wanted
    found: Found
    plan: Plan


def read(controller: Controller, wanted: Wanted) -> Found:
    """Ask a controller for its settings and for what it sees of its node: one request.

    Raises:
        SetupError: it can't be asked.
    """
    return Found.parse(controller.run("address settings read", wanted.asked))


def propose(controller: Controller, wanted: Wanted) -> Proposal:
    """Plan for a controller that was waited for.

    Raises:
        SetupError: it can't be asked, lacks a plugin, or reaches no Postfix.
    """
    found = read(controller, wanted)
    place = f"Jenkins {controller.version} at {controller.url}"
    return Proposal(wanted, found, planner.plan(wanted, found, place))


def apply(controller: Controller, proposal: Proposal) -> None:
    """Write what the plan says; the script sees that Jenkins has it, and undoes it otherwise.

    Raises:
        SetupError: it was refused, could not be saved, or was not kept; and is undone.
    """
    wanted = proposal.wanted
    to_write = planner.missing(wanted, proposal.found)
    if not to_write:
        return
    script_settings: dict[str, dict[str, Any]] = dict(to_write)
    if "credential" in script_settings:
        script_settings["credential"] = {"password": wanted.token}
    controller.run("settings write", wanted.asked | {"settings": script_settings})
