"""The first real error of a failing step's log: the cause, and not what follows from it.

A log is searched for the shapes of errors that the modules beside this one list, a tool each. Of
what matches, a tool's own verdict counts more than what programs of all kinds print, and both more
than consequences such as `make: *** [all] Error 2`.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from pyservice.analysis import (
    compilers,
    docker,
    go,
    gradle,
    javascript,
    jvm,
    php,
    python,
    ruby,
    rust,
    shell,
    tools,
    web,
)
from pyservice.analysis.commands import Segment, command_of, is_trace, segments
from pyservice.analysis.shape import (
    MAX_BLOCK,
    MAX_MESSAGE,
    Finding,
    Rank,
    Shape,
    bare,
    sentence,
)
from pyservice.analysis.shell import SIGNALS

MAX_LINE = 1000
"""Characters of a line that are read."""
SHAPES: tuple[Shape, ...] = (
    *compilers.SHAPES,
    *go.SHAPES,
    *rust.SHAPES,
    *python.SHAPES,
    *jvm.SHAPES,
    *gradle.SHAPES,
    *javascript.SHAPES,
    *docker.SHAPES,
    *php.SHAPES,
    *ruby.SHAPES,
    *tools.SHAPES,
    *web.SHAPES,
    *shell.SHAPES,
)
_COMMON = ("rror: ", "RROR", "FAIL", "ailed", "atal: ", "not ", "No s", "tion", "***", "panic")
"""Texts that many guards have: one search for each of these stands for many, and takes longest."""
_BY_SEARCH: dict[str, list[Shape]] = {}
for _shape in SHAPES:
    _text = next((common for common in _COMMON if common in _shape.guard), _shape.guard)
    _BY_SEARCH.setdefault(_text, []).append(_shape)
_QUOTES = str.maketrans("‘’`“”", "'''\"\"")
_LONG_MESSAGE = 150
"""Characters, behind which a message ends with its sentence."""
_MAX_READ = 500
"""Candidates that are read before the search gives up."""


@dataclass(frozen=True)
class FirstError:
    """The error that made a step fail; line numbers begin at 0."""

    first: int
    """The first line of the block that shows the error."""
    last: int
    """Its last line."""
    line: int
    """Its most telling line."""
    message: str
    """One sentence for people: `main.c:2: error: 'amount_cents' undeclared`."""
    file: str | None = None
    """The source file, as the log names it."""
    file_line: int | None = None
    command: str | None = None
    """The command that failed, as `set -x` or make shows it."""
    tool: str | None = None
    """The program whose error it is, such as `gcc` or `pytest`."""


@dataclass(frozen=True)
class _Candidate:
    """A line that matches a shape."""

    line: int
    shape: Shape
    match: re.Match[str]
    segment: Segment

    @property
    def order(self) -> tuple[int, ...]:
        """What is read first: the last command's surest line, and of equal ones the first."""
        segment = self.segment
        return (
            segment.cleans_up,
            -segment.start,
            self.shape.rank,
            self.line,
        )

    def read(self, log: Sequence[str]) -> Finding | None:
        """Return the error as the shape's reader finds it; None: it is none after all."""
        return self.shape.read(log, self.line, self.match)


def find_first_error(lines: Sequence[str]) -> FirstError | None:
    """Return the first real error of a failing step's log.

    Args:
        lines: the log, without terminal sequences; time and memory grow with its length only.

    Returns:
        None: nothing in the log says why the step failed.
    """
    log = [bare(line)[:MAX_LINE] for line in lines]
    if not log:
        return None
    commands = segments(log)
    candidates = sorted(_candidates(log, commands), key=lambda one: one.order)
    # What a command printed before it ran again is no reason, if there is another.
    final = [one for one in candidates if not one.segment.is_repeated][:_MAX_READ]
    return _first(log, commands, final) or _first(log, commands, candidates[:_MAX_READ])


def _first(
    log: Sequence[str], commands: Sequence[Segment], candidates: Sequence[_Candidate]
) -> FirstError | None:
    """Return the first candidate that is an error, or what stands for one."""
    doubtful: list[FirstError] = []
    for candidate in candidates:
        if candidate.shape.rank == Rank.CONSEQUENCE or any(
            one.first <= candidate.line <= one.last for one in doubtful[-20:]
        ):
            continue
        if found := candidate.read(log):
            error = _result(log, found, candidate)
            if not found.is_doubtful:
                return error
            doubtful.append(error)
    if doubtful:
        return doubtful[0]
    if said := _last_words(log, commands):
        return said
    for candidate in candidates:
        if candidate.shape.rank == Rank.CONSEQUENCE and (found := candidate.read(log)):
            return _result(log, found, candidate)
    return _last_command(log, commands)


def _candidates(log: Sequence[str], commands: Sequence[Segment]) -> list[_Candidate]:
    """Return the lines that match a shape. What only follows from an error is nothing else, too."""
    text = "\n".join(log)
    starts = [0, *accumulate(len(line) + 1 for line in log)]
    begins = [segment.start for segment in commands]
    found = []
    for searched, shapes in _BY_SEARCH.items():
        at = text.find(searched)
        while at >= 0:
            number = bisect_right(starts, at) - 1
            line = log[number]
            for shape in shapes if not is_trace(line) else ():
                if shape.guard in line and (match := shape.pattern.match(line)):
                    segment = commands[bisect_right(begins, number) - 1]
                    found.append(_Candidate(number, shape, match, segment))
            at = text.find(searched, starts[number + 1])
    consequences = {one.line for one in found if one.shape.rank == Rank.CONSEQUENCE}
    return [one for one in found if one.shape.rank != Rank.GENERAL or one.line not in consequences]


def _result(log: Sequence[str], found: Finding, candidate: _Candidate) -> FirstError:
    tool = found.tool or candidate.shape.tool
    command = command_of(log, found, candidate.segment, tool)
    return FirstError(
        first=found.first,
        last=found.last,
        line=found.line,
        message=_message(found, command),
        file=found.file,
        file_line=found.file_line,
        command=command,
        tool=tool,
    )


def _message(found: Finding, command: str | None) -> str:
    """Return one sentence: the place, and what is wrong there."""
    text = sentence([found.text.translate(_QUOTES)])
    if text in SIGNALS and command:
        text = f"{command}: {text}"
    # A folder differs from agent to agent, and hides the name in it.
    file = found.file or ""
    name = file.rpartition("/")[2] if file.startswith("/") else file
    if found.file_line is not None:
        text = f"{name}:{found.file_line}: {text}"
    elif name not in text:
        text = f"{name}: {text}"
    if len(text) > _LONG_MESSAGE:
        text = text[:_LONG_MESSAGE] + text[_LONG_MESSAGE:].partition(". ")[0]
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _last_words(log: Sequence[str], commands: Sequence[Segment]) -> FirstError | None:
    """Return what a script says with `echo` right before it ends itself with `exit 1`."""
    if len(commands) < 2 or not commands[-1].exit_code:
        return None
    said = commands[-2]
    printed = range(said.start + 1, commands[-1].start)
    if said.shown or not any(log[number].strip() for number in printed):
        return None
    last = max(number for number in printed if log[number].strip())
    if all("=" in word for word in log[last].split()):
        return None  # it shows variables, such as `user=ada password=****`
    first = max(printed.start, last - MAX_BLOCK)
    message = _message(Finding(first=first, last=last, line=last, text=log[last]), None)
    return FirstError(first=first, last=last, line=last, message=message)


def _last_command(log: Sequence[str], commands: Sequence[Segment]) -> FirstError | None:
    """Return the last command of a script if it printed nothing: `[ 1 = 2 ]`, `grep -q x y`."""
    at, command = commands[-1].start, commands[-1].shown
    if command is None or any(line.strip() for line in log[at + 1 :]):
        return None
    message = sentence([command])
    return FirstError(first=at, last=at, line=at, message=f"{message} failed", command=command)
