"""Reads the TOML that an administrator writes."""

import tomllib
from typing import Any

from pyservice.errors import ConfigurationError


def parse_toml(content: bytes, name: str) -> dict[str, Any]:
    """Return what a file's bytes say.

    Args:
        content: the bytes.
        name: the file's name in an error, such as `The settings file /etc/notify-email.toml`.

    Raises:
        ConfigurationError: they are not TOML.
    """
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reason = f"line {line} is not in UTF-8"
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
    raise ConfigurationError(f"{name} can't be read as TOML: {reason}.")
