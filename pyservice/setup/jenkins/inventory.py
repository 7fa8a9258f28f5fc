"""Many controllers: one first, then the rest, and what each of them lacks."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyservice.errors import ConfigurationError, SetupError
from pyservice.setup.plan import Plan


@dataclass(frozen=True)
class Result:
    """What became of one controller."""

    name: str
    plan: Plan | None = None
    """What was to change, before anything was applied."""
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`{name, error, plan}`."""
        return {
            "name": self.name,
            "error": self.error,
            "plan": self.plan.as_json() if self.plan else None,
        }

    def line(self, *, applied: bool) -> str:
        """One line of the report of drift."""
        if self.plan is None:
            return f"{self.name:<20}failed: {self.error}"
        if self.plan.in_sync:
            return f"{self.name:<20}in sync"
        what = ", ".join(change.what for change in self.plan.changes)
        return f"{self.name:<20}{'changed' if applied else 'drifted'}: {what}"


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Controllers by name, the first one first, each with the [defaults] that it doesn't override.

    Raises:
        ConfigurationError: there is no such file, or something in it is wrong.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigurationError(f"{file} can't be read: {reason}.") from None
    defaults, controllers = content.pop("defaults", {}), content.pop("controllers", {})
    if content:
        raise ConfigurationError(f"{file}: unknown: {', '.join(content)}.")
    if not controllers:
        raise ConfigurationError(f"{file} has no [controllers.NAME].")
    tables = {"defaults": defaults, "controllers": controllers}
    if isinstance(controllers, dict):
        tables |= {f"controllers.{name}": values for name, values in controllers.items()}
    for name, values in tables.items():
        if not isinstance(values, dict):
            raise ConfigurationError(f"{file}: `{name}` is to be a table: [{name}].")
    for name, values in controllers.items():
        if "jenkins_url" not in values:
            raise ConfigurationError(f"{file}: [controllers.{name}] lacks `jenkins_url`.")
    return {name: defaults | values for name, values in controllers.items()}


def over_all(
    names: list[str], one: Callable[[str], Plan], *, stop_after_first: bool
) -> Iterator[Result]:
    """Do something to each, the first one alone: if that fails, the others are left as they are.

    Args:
        names: the controllers.
        one: plans, and applies, for a controller.
        stop_after_first: whether a failure of the first one spares the others.

    Yields:
        What became of each, when it is done.
    """
    left: str | None = None
    for name in names:
        if left is not None:
            yield Result(name, error=left)
            continue
        try:
            yield Result(name, plan=one(name))
        except (SetupError, ConfigurationError) as error:
            yield Result(name, error=str(error))
            if stop_after_first and name == names[0]:
                left = f"{name} failed, so this one was left as it is"
