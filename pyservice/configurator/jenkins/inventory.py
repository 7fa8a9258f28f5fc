"""Many controllers: one first, then the rest, and what each of them lacks."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyservice.configurator.plan import Plan
from pyservice.errors import ConfigurationError, SetupError


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
        if self.error is not None:
            return f"{self.name:<20}not applied: {self.error}"
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
        raise ConfigurationError(f"{file} can't be read: {error}.") from None
    defaults, controllers = content.pop("defaults", {}), content.pop("controllers", {})
    if content:
        raise ConfigurationError(f"{file}: unknown: {', '.join(content)}.")
    if not controllers:
        raise ConfigurationError(f"{file} has no [controllers.NAME].")
    for name, values in controllers.items():
        if "jenkins_url" not in values:
            raise ConfigurationError(f"{file}: [controllers.{name}] lacks `jenkins_url`.")
    return {name: defaults | values for name, values in controllers.items()}


def over_all(
    names: list[str], one: Callable[[str], Plan], *, stop_after_first: bool
) -> list[Result]:
    """Do something to each, the first one alone: if that fails, the others are left as they are.

    Args:
        names: the controllers.
        one: plans, and applies, for a controller.
        stop_after_first: whether a failure of the first one spares the others.
    """
    results: list[Result] = []
    for name in names:
        if stop_after_first and len(results) == 1 and results[0].error is not None:
            left = f"{names[0]} failed, so this one was left as it is"
            results += [Result(other, error=left) for other in names[1:]]
            break
        try:
            results.append(Result(name, plan=one(name)))
        except (SetupError, ConfigurationError) as error:
            results.append(Result(name, error=str(error)))
    return results
