"""Adds to a plan what only a person may change, since it decides who may send."""

from collections.abc import Collection

from pyservice.errors import SetupError
from pyservice.postfix import access
from pyservice.postfix.commands import for_instance
from pyservice.postfix.mynetworks import Network
from pyservice.setup.plan import Plan
from pyservice.setup.relay.changes import RelayPlanBuilder


def find_faults(builder: RelayPlanBuilder, address: str, allowed: Collection[Network]) -> None:
    """Add what would keep containers from sending, or let strangers send, after all changes.

    Args:
        builder: has all the changes.
        address: where containers reach Postfix.
        allowed: the networks that may be as wide as they are.
    """
    configuration = builder.planned()
    for fault in access.find_faults(configuration, address, allowed):
        command = fault.command
        if not configuration.is_default:
            command = for_instance(command, configuration.folder)
        builder.add_fault(f"{fault.sentence} Cure: {command}")


def refuse_faults(plan: Plan) -> None:
    """Refuse to apply a plan with faults.

    Raises:
        SetupError: it has one.
    """
    if plan.faults:
        raise SetupError(f"Nothing was changed. {plan.faults[0]}")
