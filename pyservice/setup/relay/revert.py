"""Takes back what all applies have changed; what others changed since then stays."""

from pathlib import Path

from pyservice.postfix.instance import Postfix, Say
from pyservice.setup.plan import Plan
from pyservice.setup.relay.apply import Review
from pyservice.setup.relay.backup import Backup, Record, ValueChange, read_files
from pyservice.setup.relay.changes import (
    Action,
    ManagedFile,
    RelayPlan,
    RelayPlanBuilder,
    RelayState,
)
from pyservice.setup.relay.planner import sasl_file
from pyservice.setup.relay.transaction import Transaction, locked


def revert_relay(postfix: Postfix, review: Review, say: Say, *, restart: bool = True) -> Plan:
    """Undo the changes of all applies; return what was undone.

    Raises:
        SetupError: as `apply_relay` does.
    """
    with locked(postfix.folder, say):
        backup = Backup(postfix.folder)
        record = backup.record()
        state = _read_state(postfix, record)
        relay_plan = _plan_revert(state, record, restart=restart)
        review(relay_plan)
        if record is None:
            return relay_plan.plan
        is_exact = backup.is_exact()
        transaction = Transaction(postfix, state, relay_plan, say)
        with transaction.undone_on_error():
            transaction.write()
            if is_exact:
                transaction.backup.restore_originals()
            transaction.put_in_force()
        transaction.backup.remove()
        return relay_plan.plan


def plan_revert(postfix: Postfix, *, restart: bool = True) -> Plan:
    """Return what `revert_relay` would undo.

    Raises:
        SetupError: it can't be read.
    """
    record = Backup(postfix.folder).record()
    return _plan_revert(_read_state(postfix, record), record, restart=restart).plan


def _read_state(postfix: Postfix, record: Record | None) -> RelayState:
    files = read_files(map(Path, record.files if record else ()))
    return RelayState(postfix.read(), postfix.is_running(), greets=True, addresses=(), files=files)


def _plan_revert(state: RelayState, record: Record | None, *, restart: bool) -> RelayPlan:
    builder = RelayPlanBuilder(state)
    if record is None:
        builder.add_note("There is no apply to take back.")
        return builder.build(Action.NOTHING)
    configuration = state.configuration
    why = "As it was before the first apply."
    for name, change in record.parameters.items():
        if _is_ours(builder, name, change, configuration.written.get(name)):
            builder.set_parameter(name, change.before, why)
        else:
            builder.remove_entries(name, record.added.get(name, ()), "An apply added it.")
    for name, change in record.services.items():
        if _is_ours(builder, name, change, configuration.services.get(name)):
            builder.set_service(name, change.before, why)
    for text, before in record.files.items():
        path = Path(text)
        shown_as = "a password" if path == sasl_file(configuration.folder) else None
        builder.set_file(ManagedFile(path, before, why, shown_as=shown_as))
    if not state.is_running:
        builder.add_note("Postfix is not running, and stays so.")
        return builder.build(Action.NOTHING)
    return builder.build(builder.action_for_changes() if restart else Action.NOTHING)


def _is_ours(builder: RelayPlanBuilder, name: str, change: ValueChange, now: str | None) -> bool:
    """Return whether a value is as the last apply left it; else note that it stays."""
    if (now or "").split() in ((change.after or "").split(), (change.before or "").split()):
        return True
    builder.add_note(
        f"{name} was changed since the last apply, to {now!r}: it stays so, without what was added."
    )
    return False
