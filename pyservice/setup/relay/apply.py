"""Applies a plan to Postfix: back up, write, check, put in force, test; all of it or nothing."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyservice.errors import SetupError, os_reason
from pyservice.postfix.instance import Configuration, Postfix, Say
from pyservice.postfix.mynetworks import Address, parse_entries
from pyservice.setup.node.facts import own_addresses
from pyservice.setup.plan import Plan
from pyservice.setup.relay import open_relay_test
from pyservice.setup.relay.backup import Backup, Record, ValueChange, read_file, write_file
from pyservice.setup.relay.changes import (
    Action,
    ManagedFile,
    RelayPlan,
    RelayPlanBuilder,
    RelayState,
)
from pyservice.setup.relay.open_relay_test import OpenRelayResult
from pyservice.setup.relay.planner import DesiredRelay, managed_files, plan_relay, sasl_file

Show = Callable[[Plan], None]
"""Gets the plan before it is carried out."""


@dataclass(frozen=True)
class ApplyResult:
    """What an apply or a revert has done."""

    plan: Plan
    greeting: str | None = None
    """The relay's; None: nothing was put in force."""
    open_relay: OpenRelayResult | None = None


def read_state(postfix: Postfix, desired: DesiredRelay) -> RelayState:
    """Read how Postfix is set and whether it serves.

    Raises:
        SetupError: it can't be read.
    """
    configuration = postfix.read()
    addresses = own_addresses()
    is_running = postfix.is_running()
    is_there = desired.address in addresses
    return RelayState(
        configuration,
        is_running,
        greets=is_running and (not is_there or open_relay_test.greets(desired.address)),
        addresses=addresses,
        files=_read_files(managed_files(desired, postfix.folder)),
    )


def apply_relay(postfix: Postfix, desired: DesiredRelay, show: Show, say: Say) -> ApplyResult:
    """Make Postfix the desired relay; where it is that already, do nothing.

    Raises:
        SetupError: something failed. The old configuration is in service again, or the message says
            what could not be restored.
    """
    with _locked(postfix.folder, say):
        state = read_state(postfix, desired)
        relay_plan = plan_relay(state, desired)
        show(relay_plan.plan)
        if relay_plan.plan.in_sync:
            return ApplyResult(relay_plan.plan)
        action = relay_plan.action if desired.restart else Action.NOTHING
        transaction = _Transaction(postfix, state, relay_plan, action, say)
        result = ApplyResult(relay_plan.plan)
        with transaction.undone_on_error():
            transaction.write()
            transaction.put_in_force()
            if action is not Action.NOTHING and desired.address in state.addresses:
                result = _verify(postfix, desired.address, relay_plan.plan, say)
            transaction.backup.record_success()
        transaction.backup.discard_previous()
        return result


def revert_relay(postfix: Postfix, show: Show, say: Say, *, restart: bool = True) -> ApplyResult:
    """Undo the changes of all applies; what others changed since then stays.

    Raises:
        SetupError: as `apply_relay` does.
    """
    with _locked(postfix.folder, say):
        backup = Backup(postfix.folder)
        record = backup.record()
        if record is None:
            plan = Plan(f"Postfix in {postfix.folder}", notes=("There is no apply to take back.",))
            show(plan)
            return ApplyResult(plan)
        is_exact = backup.is_exact()
        files = _read_files(tuple(Path(name) for name in record.files))
        state = RelayState(
            postfix.read(), postfix.is_running(), greets=True, addresses=(), files=files
        )
        relay_plan = _plan_revert(state, record)
        show(relay_plan.plan)
        action = relay_plan.action if restart and state.is_running else Action.NOTHING
        transaction = _Transaction(postfix, state, relay_plan, action, say)
        with transaction.undone_on_error():
            transaction.write()
            if is_exact:
                transaction.backup.restore_originals()
            transaction.put_in_force()
        transaction.backup.remove()
        return ApplyResult(relay_plan.plan)


def check_open_relay(configuration: Configuration, address: Address) -> OpenRelayResult:
    """Try whether the relay at an address refuses strangers."""
    mynetworks = parse_entries(configuration.effective["mynetworks"])
    return open_relay_test.try_strangers(address, own_addresses(), mynetworks)


def _verify(postfix: Postfix, address: Address, plan: Plan, say: Say) -> ApplyResult:
    say(f"Waiting for 220 at {address}:{open_relay_test.PORT} …")
    greeting = open_relay_test.wait_for_greeting(address)
    open_relay = check_open_relay(postfix.read(), address)
    if open_relay.state == "open relay":
        raise SetupError(f"This would be an open relay: {open_relay.sentence}")
    return ApplyResult(plan, greeting, open_relay)


def _plan_revert(state: RelayState, record: Record) -> RelayPlan:
    builder = RelayPlanBuilder(state)
    configuration = state.configuration
    why = "As it was before the first apply."
    for name, change in record.parameters.items():
        if _is_ours(builder, name, change, configuration.written.get(name)):
            builder.set_parameter(name, change.before, why)
    for name, change in record.services.items():
        if _is_ours(builder, name, change, configuration.services.get(name)):
            builder.set_service(name, change.before, why)
    for text, before in record.files.items():
        path = Path(text)
        shown_as = "a password" if path == sasl_file(configuration.folder) else None
        builder.set_file(ManagedFile(path, before, why, shown_as=shown_as))
    return builder.build(serves=False)


def _is_ours(builder: RelayPlanBuilder, name: str, change: ValueChange, now: str | None) -> bool:
    """Return whether a value is as the last apply left it; else note that it stays."""
    if (now or "").split() in ((change.after or "").split(), (change.before or "").split()):
        return True
    builder.add_note(f"{name} was changed since the last apply, to {now!r}: it stays so.")
    return False


class _Transaction:
    """One plan on its way into force, and back if a step fails."""

    def __init__(
        self, postfix: Postfix, state: RelayState, plan: RelayPlan, action: Action, say: Say
    ) -> None:
        self.backup = Backup(postfix.folder)
        self._postfix, self._state, self._plan = postfix, state, plan
        self._action, self._say = action, say
        self._is_service_touched = False

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Back up first; whatever fails within, a signal too, brings the old state back."""
        self._take_backup()
        try:
            yield
        except BaseException as error:
            outcome = self._undo()
            if isinstance(error, OSError):
                raise SetupError(f"It can't be written ({_describe(error)}). {outcome}") from error
            if isinstance(error, SetupError):
                raise SetupError(f"{error} {outcome}") from error
            self._say(outcome)  # a signal stopped us
            raise

    def write(self) -> None:
        self._say("Writing …")
        for file in self._plan.files:
            write_file(file.path, file.content, mode=file.mode)
        for table in self._plan.tables:
            self._postfix.build_map(table)
        self._postfix.write(self._plan.parameters, self._plan.services)
        self._renew_units()

    def put_in_force(self) -> None:
        """Check what was written, then restart or reload Postfix."""
        self._say("Checking the configuration …")
        self._postfix.check()
        if self._action is Action.NOTHING:
            return
        self._is_service_touched = True
        if self._action is Action.RESTART:
            self._say("Restarting Postfix …" if self._state.is_running else "Starting Postfix …")
            self._postfix.restart()
        else:
            self._say("Reloading Postfix …")
            self._postfix.reload()

    def _take_backup(self) -> None:
        configuration = self._state.configuration
        try:
            self.backup.take(self._plan, configuration)
        except OSError as error:
            raise SetupError(
                f"No backup can be kept ({_describe(error)}), so nothing was changed: make room, "
                f"or let root write in {configuration.folder}."
            ) from error

    def _undo(self) -> str:
        """Bring the old state back; return a sentence on how that went."""
        self._say("That failed: bringing the old configuration back …")
        try:
            self.backup.restore()
            for table in self._plan.tables:
                if Path(table.partition(":")[2]).exists():
                    self._postfix.build_map(table)
            self._renew_units()
            return self._serve_again()
        except (OSError, SetupError) as error:
            reason = _describe(error) if isinstance(error, OSError) else str(error)
            return (
                f"And the old configuration could not be brought back into service: {reason} "
                f"Its copies are in {self.backup.folder}, where it is not in place already."
            )

    def _serve_again(self) -> str:
        if not self._is_service_touched:
            return "The old configuration is in place, and Postfix was not touched."
        if not self._state.is_running:
            self._postfix.stop()
            return "The old configuration is in place, and Postfix is stopped as before."
        if self._action is Action.RELOAD and self._postfix.is_running():
            self._postfix.reload()
        else:
            self._postfix.restart()
        return "The old configuration is back in service."

    def _renew_units(self) -> None:
        if any(file.path.is_relative_to("/etc/systemd") for file in self._plan.files):
            self._postfix.renew_units()


def _read_files(paths: tuple[Path, ...]) -> dict[Path, str]:
    contents = ((path, read_file(path)) for path in paths)
    return {path: text for path, text in contents if text is not None}


def _describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{os_reason(error)}"


@contextmanager
def _locked(folder: Path, say: Say, *, timeout: float = 120.0) -> Iterator[None]:
    """Hold the lock of one instance, so that one apply at a time reads and changes it.

    Args:
        folder: its configuration directory.
        say: gets a sentence where another apply is awaited.
        timeout: seconds to wait for the other apply's end.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise SetupError(
            f"There is no directory {folder}: is Postfix installed and configured? "
            "Another instance is named by --config-dir."
        ) from None
    try:
        if not _try_lock(descriptor):
            say("Waiting for another notify-email relay to end …")
            ends = time.monotonic() + timeout
            while not _try_lock(descriptor):
                if time.monotonic() > ends:
                    raise SetupError(
                        f"Another notify-email relay is at work on {folder}: try again after it."
                    )
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
