"""The errors of rustc and Cargo, and the panics of Rust."""

import re
from collections.abc import Sequence

from pyservice.analysis.shape import (
    Finding,
    Shape,
    consequences,
    end,
    following,
    number,
    shape,
)

_RUST_PLACE = re.compile(r"\s*--> (?P<file>[^:]+):(?P<line>\d+):\d+")


def _rust(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding | None:
    """Read an error of rustc or Cargo with its place and its source lines."""
    for _, line in following(lines, at, 4):
        if place := _RUST_PLACE.match(line):
            return Finding(
                first=at,
                last=end(lines, at, lambda one: bool(one.strip())),
                line=at,
                text=match["text"],
                file=place["file"],
                file_line=number(place["line"]),
            )
    return None


def _rust_panic(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read a panic: its message is the line below."""
    last = end(lines, at, lambda line: bool(line.strip()) and not line.strip().startswith("stack "))
    below = lines[at + 1].strip() if last > at else "panicked"
    values = [line.strip() for line in lines[at + 2 : last + 1]]
    is_compared = len(values) == 2 and values[0].startswith("left:")
    return Finding(
        first=at,
        last=last,
        line=min(at + 1, last),
        text=f"{below}: {', '.join(values)}" if is_compared else below,
        file=match["file"],
        file_line=number(match["line"]),
    )


SHAPES: tuple[Shape, ...] = (
    consequences("could not compile", r"error: could not compile "),
    consequences("test failed", r"error: (?:\d+ )?(?:test|target)s? failed"),
    consequences("custom build", r"error: failed to run custom build command"),
    consequences("process didn't", r"error: process didn't exit"),
    consequences("aborting due", r"error: aborting due to"),
    *(
        shape("cargo", guard, r"(?P<text>error(?:\[E\d+\])?: .+)", _rust)
        for guard in ("error: ", "error[E")
    ),
    shape(
        "cargo",
        "' (",
        r"\s*thread '[^']*' \(\d+\) panicked at (?P<file>[^:]+):(?P<line>\d+):\d+:$",
        _rust_panic,
    ),
    shape(
        "cargo",
        "' panicked at",
        r"\s*thread '[^']*' panicked at (?P<file>[^:]+):(?P<line>\d+):\d+:$",
        _rust_panic,
    ),
)
