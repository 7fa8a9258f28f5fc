"""Makes Postfix the desired relay: plan, carry out, test; all of it or nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from pyservice.errors import SetupError
from pyservice.postfix.instance import Configuration, Postfix, Say
from pyservice.setup.node.detect import list_bridges
from pyservice.setup.node.facts import own_addresses, read_facts
from pyservice.setup.plan import Plan
from pyservice.setup.relay import open_relay_test
from pyservice.setup.relay.backup import Backup, Record, read_files
from pyservice.setup.relay.changes import Action, RelayPlan, RelayState
from pyservice.setup.relay.faults import refuse_faults
from pyservice.setup.relay.open_relay_test import AccessRules, OpenRelayResult, SendingResult
from pyservice.setup.relay.planner import DesiredRelay, managed_files, plan_relay
from pyservice.setup.relay.transaction import Transaction, locked

Review = Callable[[RelayPlan], None]
"""Gets a plan before it is carried out; an error that it raises stops that."""


@dataclass(frozen=True)
class AccessResult:
    """Who may send through the relay, as it was tried."""

    containers: SendingResult
    strangers: OpenRelayResult

    @property
    def is_safe(self) -> bool:
        """Whether nothing shows that containers can't send, or that strangers can."""
        return self.containers.state != "refused" and self.strangers.state != "open relay"


@dataclass(frozen=True)
class ApplyResult:
    """What an apply has done."""

    plan: Plan
    greeting: str | None = None
    """The relay's; None: nothing was put in force."""
    access: AccessResult | None = None


def read_state(postfix: Postfix, desired: DesiredRelay) -> RelayState:
    """Read how Postfix is set and whether it serves.

    Raises:
        SetupError: it can't be read.
    """
    configuration = postfix.read()
    record = Backup(postfix.folder).record() or Record()
    addresses = own_addresses()
    is_running = postfix.is_running()
    is_there = desired.address in addresses
    return RelayState(
        configuration,
        is_running,
        greets=is_running and (not is_there or open_relay_test.greets(desired.address)),
        addresses=addresses,
        files=read_files(managed_files(desired, postfix.folder)),
        bridges=list_bridges(read_facts()),
        added_entries=record.added,
        added_services=record.added_services,
    )


def apply_relay(postfix: Postfix, desired: DesiredRelay, review: Review, say: Say) -> ApplyResult:
    """Make Postfix the desired relay; where it is that already, do nothing.

    Raises:
        SetupError: something failed. The old configuration is in service again, or the message says
            what could not be restored.
    """
    with locked(postfix.folder, say):
        state = read_state(postfix, desired)
        relay_plan = plan_relay(state, desired)
        review(relay_plan)
        refuse_faults(relay_plan.plan)
        if relay_plan.plan.in_sync:
            return ApplyResult(relay_plan.plan)
        transaction = Transaction(postfix, state, relay_plan, say)
        result = ApplyResult(relay_plan.plan)
        with transaction.undone_on_error():
            transaction.write()
            transaction.put_in_force()
            if relay_plan.action is not Action.NOTHING and desired.address in state.addresses:
                result = _verify(postfix, desired, relay_plan.plan, say)
            transaction.backup.record_success()
        transaction.backup.discard_previous()
        return result


def check_access(configuration: Configuration, desired: DesiredRelay) -> AccessResult:
    """Try whether a running relay takes containers' mail, and refuses strangers'."""
    address, own = desired.address, own_addresses()
    rules = AccessRules.read(configuration, address, desired.allow_broad)
    return AccessResult(
        open_relay_test.try_containers(address, own, desired.networks, rules),
        open_relay_test.try_strangers(address, own, rules),
    )


def _verify(postfix: Postfix, desired: DesiredRelay, plan: Plan, say: Say) -> ApplyResult:
    say(f"Waiting for 220 at {desired.address}:{open_relay_test.PORT} …")
    greeting = open_relay_test.wait_for_greeting(desired.address)
    access = check_access(postfix.read(), desired)
    if access.strangers.state == "open relay":
        raise SetupError(f"This would be an open relay: {access.strangers.sentence}")
    if access.containers.state == "refused":
        raise SetupError(f"Containers could not send: {access.containers.sentence}")
    return ApplyResult(plan, greeting, access)
