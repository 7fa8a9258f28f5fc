"""Carries a plan out at one Postfix, all of it or nothing, and one plan at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyservice.errors import SetupError, os_reason
from pyservice.postfix.instance import Postfix, Say
from pyservice.setup.relay.backup import Backup, write_file
from pyservice.setup.relay.changes import Action, RelayPlan, RelayState


class Transaction:
    """One plan on its way into force, and back if a step fails."""

    def __init__(self, postfix: Postfix, state: RelayState, plan: RelayPlan, say: Say) -> None:
        """Nothing is read or written yet.

        Args:
            postfix: the instance.
            state: what it was planned for.
            plan: what to do.
            say: gets a sentence about each step.
        """
        self.backup = Backup(postfix.folder)
        self._postfix, self._state, self._plan = postfix, state, plan
        self._action, self._say = plan.action, say
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
        """Write files, tables, main.cf and master.cf."""
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


def _describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{os_reason(error)}"


@contextmanager
def locked(folder: Path, say: Say, *, timeout: float = 120.0) -> Iterator[None]:
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
