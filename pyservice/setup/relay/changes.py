"""The changes to one Postfix, as a value: the plan for people, and the steps that carry it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pyservice.postfix.instance import Configuration
from pyservice.postfix.mynetworks import Address, NetworkEntry, parse_entries
from pyservice.setup.plan import Change, Plan


class Action(Enum):
    """What puts a new configuration in force."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"


@dataclass(frozen=True)
class ManagedFile:
    """A file that belongs to notify-email alone."""

    path: Path
    content: str | None = field(repr=False)
    """None: remove the file. A file below /proc is a kernel's setting, and is written in place."""
    why: str
    mode: int = 0o644
    shown_as: str | None = None
    """What the plan shows in place of a secret content."""


@dataclass(frozen=True)
class RelayState:
    """A Postfix as it is now, and its machine."""

    configuration: Configuration
    is_running: bool
    greets: bool
    """Whether it greets with 220 where containers reach it."""
    addresses: tuple[Address, ...]
    """The machine's addresses."""
    files: Mapping[Path, str] = field(default_factory=dict, repr=False)
    """The managed files that exist, and their content."""

    @property
    def mynetworks(self) -> tuple[NetworkEntry, ...]:
        """The networks that Postfix relays for now."""
        return parse_entries(self.configuration.effective["mynetworks"])


@dataclass(frozen=True)
class RelayPlan:
    """What to change in one Postfix: for people to read, and as steps."""

    plan: Plan
    """For people and programs to read."""
    action: Action
    parameters: Mapping[str, str | None]
    """main.cf's: name → value; None: remove it."""
    services: Mapping[str, str | None]
    """master.cf's: `172.22.91.1:25/inet` → its line; None: remove it."""
    files: tuple[ManagedFile, ...] = field(repr=False)
    tables: tuple[str, ...] = ()
    """The lookup tables to build from those files: `hash:/…/sasl_passwd`."""


class RelayPlanBuilder:
    """Collects the changes to a Postfix; what is right already adds none."""

    def __init__(self, state: RelayState) -> None:
        self.state = state
        self.configuration = state.configuration
        self._changes: list[Change] = []
        self._notes: list[str] = []
        self._effects: list[str] = []
        self._parameters: dict[str, str | None] = {}
        self._services: dict[str, str | None] = {}
        self._files: list[ManagedFile] = []
        self._tables: list[str] = []

    def effective(self, name: str) -> str:
        """Return a parameter's value now; empty where this version has no such parameter."""
        return self.configuration.effective.get(name, "")

    def written(self, name: str) -> str:
        """Return a parameter's value with its `$names`, as main.cf has it, else the default."""
        return self.configuration.written.get(name, self.effective(name))

    def set_parameter(self, name: str, value: str | None, why: str) -> None:
        """Set a parameter; None removes it from main.cf."""
        before = self.configuration.written.get(name)
        if before == value or (value is not None and value == self.effective(name)):
            return
        if name in self.configuration.repeated:
            self.add_note(f"main.cf sets {name} more than once; each of them gets the new value.")
        self._parameters[name] = value
        self._changes.append(Change(name, before, value, why))

    def set_service(self, name: str, line: str | None, why: str) -> None:
        """Set a service's line in master.cf; None removes it."""
        before = self.configuration.services.get(name)
        if (before or "").split() == (line or "").split():
            return
        self._services[name] = line
        self._changes.append(Change(f"master.cf: {name}", before, line, why))

    def set_file(self, file: ManagedFile, *, table: str | None = None) -> None:
        """Write or remove a file, and build the lookup table that is made from it."""
        before = self.state.files.get(file.path)
        if before == file.content:
            return
        self._files.append(file)
        if table is not None:
            self._tables.append(table)
        old, new = _displayed(before, file.shown_as), _displayed(file.content, file.shown_as)
        if file.shown_as is not None and old is not None and new is not None:
            old = "another one"
        self._changes.append(Change(str(file.path), old, new, file.why))

    def add_note(self, sentence: str) -> None:
        """Add something that the reader of the plan should know."""
        self._notes.append(sentence)

    def build(self, *, serves: bool = True) -> RelayPlan:
        """Return the plan.

        Args:
            serves: whether Postfix is to run and greet afterwards.
        """
        action = self._action_to_serve() if serves else self._action_for_changes()
        self._describe(action)
        return RelayPlan(
            Plan(
                f"Postfix {self.configuration.version} in {self.configuration.folder}",
                tuple(self._changes),
                tuple(self._effects),
                tuple(self._notes),
            ),
            action,
            self._parameters,
            self._services,
            tuple(self._files),
            tuple(self._tables),
        )

    def _action_for_changes(self) -> Action:
        if "inet_interfaces" in self._parameters:
            return Action.RESTART
        if self._parameters or self._services or self._tables:
            return Action.RELOAD
        return Action.NOTHING

    def _action_to_serve(self) -> Action:
        """Restart also where the running Postfix differs from what is written already."""
        if not self.state.is_running:
            self._changes.append(Change("Postfix", "stopped", "running", "It is not running."))
            self._effects.append("starts Postfix.")
            return Action.RESTART
        if not self.state.greets and not self._services:
            if not self._changes:
                why = "What is written is not in force until a restart."
                self._changes.append(Change("Postfix", "does not greet with 220", "greets", why))
            return Action.RESTART
        return self._action_for_changes()

    def _describe(self, action: Action) -> None:
        if action is Action.RESTART and self.state.is_running:
            is_required = "inet_interfaces" in self._parameters
            why = ", since a reload does not read inet_interfaces" if is_required else ""
            effect = f"restarts Postfix{why}; for some seconds mail waits at its senders."
            self._effects.append(effect)
        elif action is Action.RELOAD:
            self._effects.append("reloads Postfix; no mail waits.")


def _displayed(content: str | None, shown_as: str | None) -> str | None:
    if content is None:
        return None
    return shown_as or content.strip().replace("\n", " ¶ ")
