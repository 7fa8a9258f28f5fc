"""An inventory: many controllers, the first of which is tried before the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyservice.config.toml import parse_toml
from pyservice.errors import ConfigurationError, SetupError, os_reason
from pyservice.setup.plan import Plan


@dataclass(frozen=True)
class Result:
    """The result for one controller: a plan, or an error."""

    name: str
    plan: Plan | None = None
    """What was to change, before anything was applied."""
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return `{name, error, plan}`."""
        return {
            "name": self.name,
            "error": self.error,
            "plan": self.plan.as_json() if self.plan else None,
        }

    def line(self, *, applied: bool) -> str:
        """Return one line of the report of drift."""
        if self.plan is None:
            return f"{self.name:<20}failed: {self.error}"
        if self.plan.in_sync:
            return f"{self.name:<20}in sync"
        names = ", ".join(change.what for change in self.plan.changes)
        return f"{self.name:<20}{'changed' if applied else 'drifted'}: {names}"


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the controllers by name, in the file's order, each with the [defaults] it lacks.

    Raises:
        ConfigurationError: there is no such file, or something in it is wrong.
    """
    try:
        content = parse_toml(file.read_bytes(), str(file))
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {os_reason(error)}.") from None
    defaults, controllers = content.pop("defaults", {}), content.pop("controllers", {})
    if content:
        raise ConfigurationError(
            f"{file}: unknown: {', '.join(content)}. Write [defaults] and [controllers.NAME] only."
        )
    if not controllers:
        raise ConfigurationError(f"{file} has no [controllers.NAME]: write one for each.")
    tables = {"defaults": defaults, "controllers": controllers}
    if isinstance(controllers, dict):
        tables |= {f"controllers.{name}": values for name, values in controllers.items()}
    for name, values in tables.items():
        if not isinstance(values, dict):
            raise ConfigurationError(f"{file}: `{name}` must be a table: [{name}].")
    for name, values in controllers.items():
        if "jenkins_url" not in values:
            raise ConfigurationError(f"{file}: [controllers.{name}] lacks `jenkins_url`.")
    return {name: defaults | values for name, values in controllers.items()}


def for_each(
    names: list[str], plan: Callable[[str], Plan], *, stop_after_first: bool
) -> Iterator[Result]:
    """Plan, or plan and apply, for each controller in turn.

    Args:
        names: the controllers.
        plan: plans, and perhaps applies, for one of them.
        stop_after_first: if the first one fails, leave the others as they are.

    Yields:
        Each controller's result, as soon as it is there.
    """
    skipped: str | None = None
    for name in names:
        if skipped is not None:
            yield Result(name, error=skipped)
            continue
        try:
            yield Result(name, plan=plan(name))
        except (SetupError, ConfigurationError) as error:
            yield Result(name, error=str(error))
            if stop_after_first and name == names[0]:
                skipped = f"{name} failed, so this one was left as it is"
