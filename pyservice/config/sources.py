"""Where settings come from: a flag beats the environment, which beats the file."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from pyservice.config.toml import parse_toml
from pyservice.errors import ConfigurationError, os_reason
from pyservice.validation import explain, nearest

PREFIX = "NOTIFY_EMAIL_"
FILE = Path("/etc/notify-email.toml")

_OTHER_VARIABLES = frozenset(
    # The shared library's, and the password of `notify-email jenkins`.
    ("URL", "TO", "TRANSPORT", "CREDENTIALS_ID", "JENKINS_TOKEN")
)
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*")
"""What Kubernetes sets in each pod beside a Service that is named notify-email."""


@dataclass(frozen=True)
class Sources:
    """The values that somebody has set, as they are written, and where each of them comes from."""

    file: Path
    values: Mapping[str, Any]
    """By the settings' names."""
    origins: Mapping[str, str]
    """By the settings' names: `--port`, `NOTIFY_EMAIL_PORT`, or the file."""
    unknown: tuple[str, ...] = ()
    """A sentence about each key and each variable that is no setting."""

    def origin(self, name: str) -> str:
        """Return where a setting's value comes from."""
        return self.origins.get(name, "default")

    def complain(self, errors: list[ErrorDetails]) -> ConfigurationError:
        """Return the error that names each unknown and each wrong setting, and the cure."""
        return ConfigurationError("\n".join([*self.unknown, *map(self._sentence, errors)]))

    def _sentence(self, error: ErrorDetails) -> str:
        name = str(error["loc"][0])
        origin = self.origins.get(name) or f"its default; set {PREFIX}{name.upper()}"
        if str(self.values.get(name, "")).startswith("tcp://"):
            return (
                f"Setting `{name}` (from {origin}): Kubernetes has set it for a Service of this "
                "name. Set enableServiceLinks: false in the pod's spec."
            )
        return f"Setting `{name}` (from {origin}): {explain(error)}."


def find(names: Iterable[str], config: Path | None, flags: Mapping[str, Any]) -> Sources:
    """Return what flags, environment and file set.

    Args:
        names: of all settings.
        config: the settings file, which must exist; without it the usual one, if it exists.
        flags: values by the settings' names; None counts as not set, as an empty variable does.

    Raises:
        ConfigurationError: the file can't be read.
    """
    names = frozenset(names)
    file = config or FILE
    in_file = _read(file, required=config is not None)
    variables = {
        variable.removeprefix(PREFIX): value
        for variable, value in os.environ.items()
        if variable.startswith(PREFIX)
    }
    unknown = [
        _unknown(f"`{name}` (in {file})", name.lower().removeprefix(PREFIX.lower()), names, "`{}`")
        for name in in_file
        if name not in names
    ]
    unknown += [
        _unknown(f"{PREFIX}{name}", name, names, PREFIX + "{}")
        for name in variables
        if not (name.isupper() and name.lower() in names)
        and name not in _OTHER_VARIABLES
        and not _KUBERNETES.fullmatch(name)
    ]
    in_file = {name: value for name, value in in_file.items() if name in names}
    in_environment = {
        name: value for name in names if (value := variables.get(name.upper(), "")) != ""
    }
    as_flags = {name: value for name, value in flags.items() if value is not None}
    origins = (
        dict.fromkeys(in_file, str(file))
        | {name: f"{PREFIX}{name.upper()}" for name in in_environment}
        | {name: f"--{name.replace('_', '-')}" for name in as_flags}
    )
    return Sources(file, in_file | in_environment | as_flags, origins, tuple(unknown))


def _unknown(shown: str, name: str, names: Iterable[str], form: str) -> str:
    near = nearest(name, names)
    if near and form.startswith(PREFIX):
        near = near.upper()
    cure = f"Did you mean {form.format(near)}?" if near else "docs/settings.md lists the settings."
    return f"There is no setting {shown}. {cure}"


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        if required:
            raise ConfigurationError(
                f"There is no settings file {file}. Write it, or name another with --config."
            ) from None
        return {}
    except OSError as error:
        raise ConfigurationError(
            f"The settings file {file} can't be read: {os_reason(error)}."
        ) from None
    return parse_toml(content, f"The settings file {file}")
