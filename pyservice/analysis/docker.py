"""The errors of Docker: of both its builders, its client and its daemon; and those of Buildah."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pyservice.analysis.shape import Finding, Rank, Shape, consequences, one_line, preceding, shape

_STEP = re.compile(r"#(?P<number>\d+) (?P<text>\[.+\] \S.*)")
_RAN = re.compile(r"(?:executor failed running|process \") ?")
"""What BuildKit says of a command that failed: its own output says more."""


def _vertex(lines: Sequence[str], at: int, match: re.Match[str]) -> Finding:
    """Read an error of one of BuildKit's steps, and which step it is."""
    found = one_line(lines, at, match)
    for index, line in preceding(lines, at):
        step = _STEP.match(line) if line.startswith("#") else None
        if step and step["number"] == match["number"]:
            text = found.text if _RAN.match(found.text) else f"{step['text']}: {found.text}"
            return replace(found, first=index, text=text)
    return found


SHAPES: tuple[Shape, ...] = (
    shape("docker", "ERROR: ", rf"#(?P<number>\d+) ERROR: (?P<text>(?!{_RAN.pattern}).+)", _vertex),
    shape(
        "docker",
        "ERROR: ",
        rf"#(?P<number>\d+) ERROR: (?P<text>{_RAN.pattern}.+)",
        _vertex,
        Rank.CONSEQUENCE,
    ),
    shape(
        "docker",
        "failed to solve",
        r"(?:ERROR: )?failed to solve(?: with frontend \S+)?: "
        r"(?:failed to create LLB definition: )?"
        rf"(?P<text>(?!{_RAN.pattern}).+)",
    ),
    consequences("failed to solve", rf"(?:ERROR: )?failed to solve: {_RAN.pattern}"),
    consequences("executor failed running", r"executor failed running"),
    shape("docker", "COPY failed: ", r"(?P<text>COPY failed: .+)"),
    shape("docker", "ADD failed: ", r"(?P<text>ADD failed: .+)"),
    shape("docker", "prepare context", r"(?:ERROR: )?(?P<text>unable to prepare context: .+)"),
    shape("docker", "from daemon: ", r"(?:\w+: )?Error response from daemon: (?P<text>.+)"),
    shape(
        "docker",
        "Docker daemon",
        r"(?:\w+: )?(?P<text>Cannot connect to the Docker daemon at [^ ]+ Is [^?]+\?)",
    ),
    shape(
        "docker",
        "Docker daemon socket",
        r"(?:\w+: )?(?:Got )?(?P<text>permission denied while trying to connect to the "
        r"Docker daemon socket(?: at \S+(?=: ))?)",
    ),
    shape("docker", ": dial ", r'(?P<text>(?:Get|Head|Post|Put|Patch) "[^"]+": dial .+)'),
    shape("buildah", "building at STEP", r'Error: (?P<text>building at STEP "(?!RUN ).+)'),
    consequences("building at STEP", r'Error: building at STEP "RUN '),
    consequences("subprocess exited", r"subprocess exited with status \d+"),
    shape(
        "docker",
        "non-zero code",
        r"(?P<text>The command '.*' returned a non-zero code: \d+)",
        rank=Rank.CONSEQUENCE,
    ),
)
