"""Which command a log's lines come from, as `set -x`, make, npm and Jenkins' Git show it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyservice.analysis.shape import Finding

_TRACE = re.compile(r"\+{1,8} (?P<command>\S.*)")
"""A line of `set -x`. Jenkins runs `sh -xe`, so that the last command is the one that failed."""
_RECIPE = re.compile(
    r"(?:[\w./-]*/)?(?:\w+-)*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|javac|ld|ar|rustc)(?:-[\d.]+)?\s"
)
"""A command of a compiler, as make and ninja print it."""
_NPM_NAME = re.compile(r"> \S+@\S+ \S+(?: /\S*)?$")
"""What stands above it; pnpm adds the folder."""
_STEP = re.compile(r"(?:#\d+ \[.+\]|S(?:tep|TEP) \d+/\d+ ?:) (?P<what>\S.*)")
"""A step of a Docker build, of BuildKit, the older builder, or Buildah."""
_RUN = re.compile(r"RUN (?:--\S+ )*(?P<command>\S.*)")
_TOX = re.compile(r"\S+: (?:commands\w*\[\d+\]|install_\w+)> (?P<command>\S.*)")
_GIT = re.compile(r" > (?P<command>git .+?)(?: # timeout=\d+)?$")
_EXIT = re.compile(r"exit (?P<code>\d+)$")
_CLEANS = re.compile(
    r"(?:rm|kill|umount|docker (?:compose )?(?:rm|stop|kill|down)|docker-compose down) ?"
)
_NO_COMMANDS = re.compile(r"(?:exit|echo|printf|set)(?: |$)|\w+=\S*(?: \w+=\S*)*$")
"""What fails for no reason of its own, or can't fail."""

_MAX_BACK = 400
"""Lines before an error in which its command is looked for."""


@dataclass(frozen=True)
class Segment:
    """The output of one traced command."""

    start: int
    """The first line: the command's trace, or 0."""
    command: str | None
    """None: what stands before the first trace."""
    is_repeated: bool
    """Whether the same command ran again later: what it printed here was not the end."""

    @property
    def cleans_up(self) -> bool:
        """Return whether the command only tidies up, as a trap does after the failure."""
        return self.command is not None and _CLEANS.match(self.command) is not None

    @property
    def exit_code(self) -> int | None:
        """Return the code of a command `exit 1`; None for all others."""
        found = _EXIT.match(self.command or "")
        return int(found["code"]) if found and len(found["code"]) < 4 else None

    @property
    def shown(self) -> str | None:
        """Return the command if it can be one that failed."""
        command = self.command
        return None if command is None or _NO_COMMANDS.match(command) else command


def traced(line: str) -> str | None:
    """Return the command that `set -x` shows in a line; None: the line shows none."""
    found = _TRACE.match(line) if line.startswith("+") else None
    return found["command"] if found else None


def is_trace(line: str) -> bool:
    """Return whether a line is a command that `set -x` shows."""
    return traced(line) is not None


def segments(lines: Sequence[str]) -> list[Segment]:
    """Return the commands of a log in their order, each with the lines that it printed.

    Args:
        lines: the log; at least one line.
    """
    found: list[tuple[int, str | None]] = [(0, None)] if not is_trace(lines[0]) else []
    found += [
        (number, command)
        for number, line in enumerate(lines)
        if (command := traced(line)) is not None
    ]
    last = {command: number for number, command in found}
    return [
        Segment(number, command, is_repeated=command is not None and last[command] > number)
        for number, command in found
    ]


def command_of(
    lines: Sequence[str], found: Finding, segment: Segment, tool: str | None
) -> str | None:
    """Return the command that an error comes from.

    A compiler's command that make or ninja shows, the command of an npm script, or one of Jenkins'
    Git is nearer to the error than the traced command that ran it.
    """
    begin = max(segment.start, found.line - _MAX_BACK)
    before = range(found.line - 1, begin - 1, -1)
    if tool in {"gcc", "ld"}:
        name = (found.file or "").rpartition("/")[2]
        for number in before:
            if name in lines[number] and _RECIPE.match(lines[number]):
                return lines[number].strip()
    elif tool == "make" and found.file is None:
        name = found.text.partition(":")[0]
        for number in before[:3]:
            if lines[number].startswith(name):
                return lines[number].strip()
    elif tool == "jenkins":
        return None
    elif tool == "git":
        for number in before:
            if lines[number].startswith(" > git ") and (git := _GIT.match(lines[number])):
                return git["command"]
    for number in before:
        shown = _shown(lines, number, segment)
        if shown is not None:
            return shown or segment.shown
    return segment.shown


def _shown(lines: Sequence[str], number: int, segment: Segment) -> str | None:
    """Return the command that a tool shows before it runs it.

    Returns:
        None: the line shows none. Empty: it begins what is no command, such as Docker's COPY.
    """
    line, above = lines[number], lines[number - 1] if number else ""
    if line.startswith("> "):
        is_script = _NPM_NAME.match(above) or "composer " in (segment.command or "")
        return line[2:].strip() if is_script else None
    if line.startswith("$ "):
        return line[2:].strip() if above.startswith("yarn run ") else None
    if line.startswith(("#", "Step ", "STEP ")):
        step = _STEP.match(line)
        run = _RUN.match(step["what"]) if step else None
        return run["command"] if run else None if step is None else ""
    tox = _TOX.match(line) if "> " in line else None
    return tox["command"] if tox else None
