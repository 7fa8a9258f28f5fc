"""What is to be done to one Postfix, as a value: the plan for people, and its steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pyservice.postfix.instance import Configuration
from pyservice.postfix.mynetworks import Address, Entry, entries
from pyservice.setup.plan import Change, Plan


class Action(Enum):
    """What puts a new configuration in force."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"


@dataclass(frozen=True)
class File:
    """A file that is ours alone."""

    path: Path
    content: str | None = field(repr=False)
    """None: it is to go away. Below /proc it is a kernel's setting, written in place."""
    why: str
    mode: int = 0o644
    told: str | None = None
    """What the plan shows in place of a secret content."""


@dataclass(frozen=True)
class State:
    """What there is."""

    configuration: Configuration
    is_running: bool
    greets: bool
    """Whether it greets with 220 where containers would meet it."""
    addresses: tuple[Address, ...]
    """This machine's."""
    files: Mapping[Path, str] = field(default_factory=dict, repr=False)
    """The content of those of our files that exist."""

    @property
    def mynetworks(self) -> tuple[Entry, ...]:
        """Whose mail is relayed now."""
        return entries(self.configuration.effective["mynetworks"])


@dataclass(frozen=True)
class Draft:
    """A plan and how to carry it out."""

    plan: Plan
    action: Action
    parameters: Mapping[str, str | None]
    services: Mapping[str, str | None]
    """master.cf's: `172.22.91.1:25/inet` → its line; None: it is to go."""
    files: tuple[File, ...] = field(repr=False)
    tables: tuple[str, ...] = ()
    """Maps that are built from those files: `hash:/…/sasl_passwd`."""


class Drafting:
    """Collects what differs; what is as it must be already leaves no trace."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.configuration = state.configuration
        self._changes: list[Change] = []
        self._notes: list[str] = []
        self._effects: list[str] = []
        self._parameters: dict[str, str | None] = {}
        self._services: dict[str, str | None] = {}
        self._files: list[File] = []
        self._tables: list[str] = []

    def effective(self, name: str) -> str:
        """A parameter's value now; empty where this version has no such parameter."""
        return self.configuration.effective.get(name, "")

    def set(self, name: str, value: str | None, why: str) -> None:
        """A parameter; None: main.cf is not to name it."""
        before = self.configuration.written.get(name)
        if before == value or (value is not None and value == self.effective(name)):
            return
        if name in self.configuration.repeated:
            self.note(f"main.cf sets {name} more than once; each of them gets the new value.")
        self._parameters[name] = value
        self._changes.append(Change(name, before, value, why))

    def service(self, name: str, line: str | None, why: str) -> None:
        """A service of master.cf."""
        before = self.configuration.services.get(name)
        if (before or "").split() == (line or "").split():
            return
        self._services[name] = line
        self._changes.append(Change(f"master.cf: {name}", before, line, why))

    def file(self, file: File, *, table: str | None = None) -> None:
        """A file, and the map that is built from it."""
        before = self.state.files.get(file.path)
        if before == file.content:
            return
        self._files.append(file)
        if table is not None:
            self._tables.append(table)
        old, new = _shown(before, file.told), _shown(file.content, file.told)
        if file.told is not None and old is not None and new is not None:
            old = "another one"
        self._changes.append(Change(str(file.path), old, new, file.why))

    def note(self, sentence: str) -> None:
        """What the reader should know."""
        self._notes.append(sentence)

    def effect(self, sentence: str) -> None:
        """What applying does beside the changes."""
        self._effects.append(sentence)

    def finish(self, *, serves: bool = True) -> Draft:
        """All of it.

        Args:
            serves: whether Postfix is to run and greet afterwards.
        """
        restarts = "inet_interfaces" in self._parameters
        action = Action.NOTHING
        if restarts:
            action = Action.RESTART
        elif self._parameters or self._services or self._tables:
            action = Action.RELOAD
        if serves:
            action = self._serve(action)
        if action is Action.RESTART and self.state.is_running:
            why = ", since a reload does not read inet_interfaces" if restarts else ""
            self.effect(f"restarts Postfix{why}; for some seconds mail waits at its senders.")
        elif action is Action.RELOAD:
            self.effect("reloads Postfix; no mail waits.")
        folder = self.configuration.folder
        return Draft(
            Plan(
                f"Postfix {self.configuration.version} in {folder}",
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

    def _serve(self, action: Action) -> Action:
        """Also where nothing but the running Postfix differs from what is written."""
        if not self.state.is_running:
            self._changes.append(Change("Postfix", "stopped", "running", "It is not running."))
            self.effect("starts Postfix.")
            return Action.RESTART
        if not self.state.greets and not self._services:
            if not self._changes:
                why = "What is written is not in force until a restart."
                self._changes.append(Change("Postfix", "does not greet with 220", "greets", why))
            return Action.RESTART
        return action


def _shown(content: str | None, told: str | None) -> str | None:
    if content is None:
        return None
    return told or content.strip().replace("\n", " ¶ ")
