"""The recorded logs of tests/logs, and what is right to say of each."""

import tomllib
from pathlib import Path
from typing import Any

from pyservice.terminal import plain

FOLDER = Path(__file__).parents[2] / "logs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.log"))
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "expected.toml").read_text())


def raw(name: str) -> list[str]:
    """A recorded log's lines, with their terminal sequences."""
    return (FOLDER / f"{name}.log").read_text().removesuffix("\n").split("\n")


def read(name: str) -> list[str]:
    """A recorded log's lines as a terminal shows them."""
    return plain("\n".join(raw(name))).split("\n")
