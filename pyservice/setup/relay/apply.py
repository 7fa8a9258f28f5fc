"""Carries a draft out: back up, write, check, put in force, prove; all of it or nothing."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyservice.errors import SetupError, said
from pyservice.postfix.instance import Configuration, Postfix, Say
from pyservice.postfix.mynetworks import Address
from pyservice.setup.node import facts
from pyservice.setup.plan import Plan
from pyservice.setup.relay import open_relay_test, planner
from pyservice.setup.relay.backup import Backup, Entry, content, put
from pyservice.setup.relay.changes import Action, Draft, Drafting, File, State
from pyservice.setup.relay.open_relay_test import Proof

LOCK_PATIENCE = 120.0
"""Seconds to wait for another apply's end."""

Show = Callable[[Plan], None]
"""Gets the plan before it is carried out."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    plan: Plan
    greeting: str | None = None
    """The relay's, where there was something to put in force."""
    proof: Proof | None = None


def look(postfix: Postfix, wanted: planner.Wanted) -> State:
    """What there is now.

    Raises:
        SetupError: it can't be read.
    """
    configuration = postfix.read()
    addresses = _own_addresses()
    is_running = postfix.is_running()
    is_there = wanted.address in addresses
    return State(
        configuration,
        is_running,
        greets=is_running and (not is_there or open_relay_test.greets(wanted.address)),
        addresses=addresses,
        files=_contents(planner.files(wanted, postfix.folder)),
    )


def apply(postfix: Postfix, wanted: planner.Wanted, show: Show, say: Say) -> Outcome:
    """Make the relay what is wanted; where it is that already, do nothing.

    Raises:
        SetupError: something failed, and what was there before is there again, in service; the
            message says so, or what could not be brought back.
    """
    with _alone(postfix.folder, say):
        state = look(postfix, wanted)
        draft = planner.draft(state, wanted)
        show(draft.plan)
        if draft.plan.in_sync:
            return Outcome(draft.plan)
        action = draft.action if wanted.restart else Action.NOTHING

        def verify() -> Outcome:
            greeting = found = None
            if action is not Action.NOTHING and wanted.address in state.addresses:
                say(f"Waiting for 220 at {wanted.address}:{open_relay_test.PORT} …")
                greeting = open_relay_test.wait_for_greeting(wanted.address)
                found = prove(postfix.read(), wanted.address)
                if found.state == "open relay":
                    raise SetupError(f"This would be an open relay: {found.sentence}")
            work.backup.keep()
            return Outcome(draft.plan, greeting, found)

        work = _Work(postfix, state, draft, action, say)
        outcome = work.carry_out(work.write, verify)
        work.backup.settle()
        return outcome


def revert(postfix: Postfix, show: Show, say: Say, *, restart: bool = True) -> Outcome:
    """Take back what all applies have changed; what others changed since stays.

    Raises:
        SetupError: as `apply`'s.
    """
    with _alone(postfix.folder, say):
        backup = Backup(postfix.folder)
        record = backup.record()
        if record is None:
            plan = Plan(f"Postfix in {postfix.folder}", notes=("There is no apply to take back.",))
            show(plan)
            return Outcome(plan)
        is_exact = backup.is_exact()
        paths = tuple(Path(name) for name in record.files)
        state = State(
            postfix.read(), postfix.is_running(), greets=True, addresses=(), files=_contents(paths)
        )
        drafting = Drafting(state)
        written, services = state.configuration.written, state.configuration.services
        why = "As it was before the first apply."
        for name, entry in record.parameters.items():
            if _is_ours(drafting, name, entry, written.get(name)):
                drafting.set(name, entry.before, why)
        for name, entry in record.services.items():
            if _is_ours(drafting, name, entry, services.get(name)):
                drafting.service(name, entry.before, why)
        for path in paths:
            told = "a password" if path == planner.sasl_file(postfix.folder) else None
            drafting.file(File(path, record.files[str(path)], why, told=told))
        draft = drafting.finish(serves=False)
        show(draft.plan)
        action = draft.action if restart and state.is_running else Action.NOTHING
        work = _Work(postfix, state, draft, action, say)

        def write() -> None:
            work.write()
            if is_exact:
                work.backup.put_originals()

        work.carry_out(write, lambda: Outcome(draft.plan))
        work.backup.remove()
        return Outcome(draft.plan)


def prove(configuration: Configuration, address: Address) -> Proof:
    """Whether strangers are refused."""
    state = State(configuration, True, True, _own_addresses())
    return open_relay_test.refuses_strangers(address, state.addresses, state.mynetworks)


class _Work:
    """One draft's way into force, and back."""

    def __init__(
        self, postfix: Postfix, state: State, draft: Draft, action: Action, say: Say
    ) -> None:
        self.backup = Backup(postfix.folder)
        self._postfix, self._state, self._draft = postfix, state, draft
        self._action, self._say = action, say
        self._is_service_touched = False

    def carry_out(self, write: Callable[[], None], verify: Callable[[], Outcome]) -> Outcome:
        configuration = self._state.configuration
        try:
            self.backup.take(self._draft, dict(configuration.written), dict(configuration.services))
        except OSError as error:
            raise SetupError(
                f"No backup can be kept ({_told(error)}), so nothing was changed: make room, or "
                f"let root write in {configuration.folder}."
            ) from error
        try:
            write()
            self._say("Checking the configuration …")
            self._postfix.check()
            self._put_in_force()
            return verify()
        except BaseException as error:
            undone = self._undo()
            if isinstance(error, OSError):
                raise SetupError(f"It can't be written ({_told(error)}). {undone}") from error
            if isinstance(error, SetupError):
                raise SetupError(f"{error} {undone}") from error
            self._say(undone)  # somebody stopped us
            raise

    def write(self) -> None:
        self._say("Writing …")
        for file in self._draft.files:
            put(file.path, file.content, mode=file.mode)
        for table in self._draft.tables:
            self._postfix.build_map(table)
        self._postfix.write(self._draft.parameters, self._draft.services)
        self._renew_units()

    def _put_in_force(self) -> None:
        if self._action is Action.NOTHING:
            return
        self._is_service_touched = True
        if self._action is Action.RESTART:
            self._say("Restarting Postfix …" if self._state.is_running else "Starting Postfix …")
            self._postfix.restart()
        else:
            self._say("Reloading Postfix …")
            self._postfix.reload()

    def _undo(self) -> str:
        """Bring the old state back; a sentence on how that went."""
        self._say("That failed: bringing the old configuration back …")
        try:
            self.backup.restore()
            for table in self._draft.tables:
                if Path(table.partition(":")[2]).exists():
                    self._postfix.build_map(table)
            self._renew_units()
            return self._serve_again()
        except (OSError, SetupError) as error:
            told = _told(error) if isinstance(error, OSError) else str(error)
            return (
                f"And the old configuration could not be brought back into service: {told} "
                f"Its copies are in {self.backup.place}, where it is not in place already."
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
        if any(file.path.is_relative_to("/etc/systemd") for file in self._draft.files):
            self._postfix.renew_units()


def _is_ours(drafting: Drafting, name: str, entry: Entry, now: str | None) -> bool:
    """Whether it still is as the last apply left it."""
    if (now or "").split() in ((entry.after or "").split(), (entry.before or "").split()):
        return True
    drafting.note(f"{name} was changed since the last apply, to {now!r}: it stays so.")
    return False


def _own_addresses() -> tuple[Address, ...]:
    return tuple(own.ip for own in facts.own_addresses())


def _contents(paths: tuple[Path, ...]) -> dict[Path, str]:
    found = ((path, content(path)) for path in paths)
    return {path: text for path, text in found if text is not None}


def _told(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{said(error)}"


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """One apply at a time for one instance; whoever comes second sees what the first one did."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise SetupError(
            f"There is no directory {folder}: is Postfix installed and configured? "
            "Another instance is named by --config-dir."
        ) from None
    try:
        ends, has_said = time.monotonic() + LOCK_PATIENCE, False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > ends:
                    raise SetupError(
                        f"Another notify-email relay is at work on {folder}: try again after it."
                    ) from None
            if not has_said:
                say("Waiting for another notify-email relay to end …")
                has_said = True
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
