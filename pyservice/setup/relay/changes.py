"""The changes to one Postfix, as a value: the plan for people, and the steps that carry it out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from pyservice.postfix.instance import Configuration
from pyservice.postfix.mynetworks import (
    Address,
    NetworkEntry,
    remove_from_list,
    split_list,
)
from pyservice.setup.node.detect import Bridge
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
    added_entries: Mapping[str, Collection[str]] = field(default_factory=dict)
    """What earlier applies added to main.cf's lists: `inet_interfaces` → `172.22.91.1`."""
    bridges: tuple[Bridge, ...] = ()
    """The machine's container bridges."""
    added_services: Mapping[str, str] = field(default_factory=dict)
    """What earlier applies added to master.cf: `172.22.91.1:25/inet` → its line."""


@dataclass(frozen=True)
class UnservedBridge:
    """A container bridge that is up and whose containers can't send."""

    interface: str
    address: str
    command: str
    """What serves it: `notify-email relay apply --bridge br-1a2b3c`."""


@dataclass(frozen=True)
class RelayPlan:
    """What to change in one Postfix: for people to read, and as steps."""

    plan: Plan
    """For people and programs to read."""
    action: Action
    interrupts: bool
    """Whether a Postfix that runs is restarted."""
    parameters: Mapping[str, str | None]
    """main.cf's: name → value; None: remove it."""
    added: Mapping[str, Collection[str]]
    """The entries that are new in a list of main.cf: `mynetworks` → `172.22.0.0/16`."""
    services: Mapping[str, str | None]
    """master.cf's: `172.22.91.1:25/inet` → its line; None: remove it."""
    files: tuple[ManagedFile, ...] = field(repr=False)
    tables: tuple[str, ...] = ()
    """The lookup tables to build from those files: `hash:/…/sasl_passwd`."""
    stale: tuple[Address, ...] = ()
    """The addresses that an apply added and that no interface has any more."""
    unserved: tuple[UnservedBridge, ...] = ()


class RelayPlanBuilder:
    """Collects the changes to a Postfix; what is right already adds none."""

    def __init__(self, state: RelayState) -> None:
        self.state = state
        self.configuration = state.configuration
        self._effective = dict(state.configuration.effective)
        self._written = dict(state.configuration.written)
        self._changes: dict[str, Change] = {}
        self._notes: list[str] = []
        self._faults: list[str] = []
        self._effects: list[str] = []
        self._parameters: dict[str, str | None] = {}
        self._added: dict[str, Collection[str]] = {}
        self._services: dict[str, str | None] = {}
        self._files: list[ManagedFile] = []
        self._tables: list[str] = []

    @property
    def mynetworks(self) -> tuple[NetworkEntry, ...]:
        """The networks that Postfix relays for."""
        return self.configuration.networks(self.effective("mynetworks"))

    def effective(self, name: str) -> str:
        """Return a parameter's value; empty where this version has no such parameter."""
        return self._effective.get(name, "")

    def written(self, name: str) -> str:
        """Return a parameter's value with its `$names`, as main.cf has it, else the default."""
        return self._written.get(name, self.effective(name))

    def added(self, name: str) -> list[str]:
        """Return the entries of a list in main.cf that earlier applies added, and that are left."""
        added = self.state.added_entries.get(name, ())
        return [entry for entry in split_list(self.written(name)) if entry in added]

    def remove_entries(self, name: str, entries: Collection[str], why: str) -> None:
        """Remove entries of a list in main.cf; what is read of it later is without them."""
        if not set(split_list(self.written(name))) & {*entries}:
            return
        value = remove_from_list(self.written(name), entries)
        self.set_parameter(name, value, why)
        self._effective[name] = remove_from_list(self.effective(name), entries)
        self._written[name] = value

    def set_parameter(
        self, name: str, value: str | None, why: str, *, added: Collection[str] = ()
    ) -> None:
        """Set a parameter; None removes it from main.cf.

        Args:
            name: the parameter's.
            value: its new value.
            why: one sentence.
            added: the entries that are new, if the value is a list that others may extend, too.
        """
        before = self.configuration.written.get(name)
        if before == value or (value is not None and value == self.effective(name)):
            return
        if name in self.configuration.repeated:
            self.add_note(f"main.cf sets {name} more than once; each of them gets the new value.")
        self._parameters[name] = value
        if added:
            self._added[name] = added
        self._add_change(Change(name, before, value, why))

    def set_service(self, name: str, line: str | None, why: str) -> None:
        """Set a service's line in master.cf; None removes it."""
        before = self.configuration.services.get(name)
        if (before or "").split() == (line or "").split():
            return
        self._services[name] = line
        self._add_change(Change(f"master.cf: {name}", before, line, why))

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
        self._add_change(Change(str(file.path), old, new, file.why))

    def add_note(self, sentence: str) -> None:
        """Add something that the reader of the plan should know."""
        self._notes.append(sentence)

    def add_fault(self, sentence: str) -> None:
        """Add something that is wrong, which only a person may change; nothing is applied then."""
        self._faults.append(sentence)

    def planned(self) -> Configuration:
        """Return the configuration as it would be after the changes so far."""
        put = {name: value for name, value in self._parameters.items() if value is not None}
        lines = {name: line for name, line in self._services.items() if line is not None}
        now = self.configuration
        return replace(
            now,
            written=self._written | put,
            effective=self._effective | {n: value for n, value in put.items() if "$" not in value},
            services={**now.services, **lines},
        )

    def build(self, action: Action) -> RelayPlan:
        """Return the plan.

        Args:
            action: what puts it in force; the two methods below choose it. A plan with faults is
                not carried out.
        """
        if self._faults:
            action = Action.NOTHING
        interrupts = action is Action.RESTART and self.state.is_running
        if interrupts:
            is_required = "inet_interfaces" in self._parameters
            why = ", since a reload does not read inet_interfaces" if is_required else ""
            effect = f"restarts Postfix{why}; for some seconds mail waits at its senders."
            self._effects.append(effect)
        elif action is Action.RELOAD:
            self._effects.append("reloads Postfix; no mail waits.")
        return RelayPlan(
            Plan(
                f"Postfix {self.configuration.version} in {self.configuration.folder}",
                tuple(self._changes.values()),
                tuple(self._effects),
                tuple(self._notes),
                tuple(self._faults),
            ),
            action,
            interrupts,
            self._parameters,
            self._added,
            self._services,
            tuple(self._files),
            tuple(self._tables),
        )

    def action_for_changes(self) -> Action:
        """Return what a running Postfix needs to read the changes."""
        if "inet_interfaces" in self._parameters:
            return Action.RESTART
        if self._parameters or self._services or self._tables:
            return Action.RELOAD
        return Action.NOTHING

    def action_to_serve(self) -> Action:
        """Return what Postfix needs to run and greet, by what is written already, too."""
        if not self.state.is_running:
            self._add_change(Change("Postfix", "stopped", "running", "It is not running."))
            self._effects.append("starts Postfix.")
            return Action.RESTART
        if not self.state.greets and not self._services:
            if not self._changes:
                why = "What is written is not in force until a restart."
                self._add_change(Change("Postfix", "does not greet with 220", "greets", why))
            return Action.RESTART
        return self.action_for_changes()

    def _add_change(self, change: Change) -> None:
        """Add a change; a second one of the same thing joins the first."""
        earlier = self._changes.get(change.what)
        if earlier is not None:
            change = replace(change, why=f"{earlier.why} {change.why}")
        self._changes[change.what] = change


def _displayed(content: str | None, shown_as: str | None) -> str | None:
    if content is None:
        return None
    return shown_as or content.strip().replace("\n", " ¶ ")
