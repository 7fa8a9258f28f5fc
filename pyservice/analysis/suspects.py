"""Which changes touch a file that a build's error names, or the stack trace of a new failure."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pyservice.analysis.failing_tests import FailingTest
from pyservice.analysis.frames import frames
from pyservice.report.schema import Change, Report
from pyservice.text import counted

MAX_TESTS = 50
"""New failing tests whose stack traces are read."""
MAX_FILES = 200
"""Files that these name, which are compared with those that changed."""
MAX_CANDIDATES = 100
"""Changed files of one name; of more none is compared."""
MAX_SUSPECTS = 20
ID_LENGTH = 8
"""Characters of a commit's ID that people read."""
_WHOLE = re.compile(r"/|[A-Za-z]:[\\/]")
"""The beginning of a path from the root, on Unix and on Windows."""


@dataclass(frozen=True)
class Suspect:
    """A change that touches a file that went wrong."""

    change: Change
    path: str
    """The file's path in the repository."""
    proof: str
    """A sentence: "8ed0cf87 by Cy touches ledger.c, which the error names"."""


@dataclass(frozen=True)
class _Touched:
    """A file that a change touches."""

    change: Change
    path: str
    parts: tuple[str, ...]
    """Its folders and its name."""


@dataclass(frozen=True)
class _Named:
    """A file that the build names."""

    parts: tuple[str, ...]
    """Its folders and its name; of a class without the name's extension."""
    is_whole: bool
    """Whether the folders begin at the file system's root."""
    is_class: bool
    """Whether it is a class, whose file may have any extension."""
    reason: str
    """How the build names it: "which the error names"."""


def suspects(
    report: Report, file: str | None, new_failures: Sequence[FailingTest]
) -> tuple[Suspect, ...]:
    """Return the changes that touch what went wrong, each with its first proof.

    A path proves something if it ends with all that the build says of the file: `web/main.c` proves
    nothing of `ledger/main.c`. It must be the only one among the changes that does.

    Args:
        report: has the changes.
        file: the file that the error names; None: none.
        new_failures: the tests that this build broke.
    """
    touched: dict[str, list[_Touched]] = defaultdict(list)
    for change in report.changes.items:
        for path in paths(change):
            one = _Touched(change, path, _parts(path))
            name = one.parts[-1] if one.parts else ""
            touched[name].append(one)
            if stem := name.rpartition(".")[0]:
                touched[stem].append(one)
    found: dict[int, Suspect] = {}
    for named in islice(_named(report, file, new_failures), MAX_FILES) if touched else ():
        for one in _matches(named, touched.get(named.parts[-1], [])):
            if id(one.change) not in found and len(found) < MAX_SUSPECTS:
                proof = _proof(one.change, one.path, named.reason)
                found[id(one.change)] = Suspect(one.change, one.path, proof)
    return tuple(found.values())


def suspect_sentence(report: Report, found: Sequence[Suspect]) -> str:
    """Return the proof against the suspects; without one how many changes there are."""
    if found:
        more = len(found) - 1
        others = f"; {counted(more, 'more change')} may be why" if more else ""
        return found[0].proof + others
    total, build = report.changes.total, report.build
    builds = build.history.builds if build.history else ()
    before = next((past.number for past in builds if past.number < build.number), None)
    if total == 0:
        is_known = (
            before and build.checkouts and all(one.part != "changes" for one in report.missing)
        )
        return f"No change since #{before}" if is_known else ""
    return f"{counted(total, 'change')}{f' since #{before}' if before else ''}"


def paths(change: Change) -> list[str]:
    """Return the paths of the files that a change touches."""
    return [file.path for file in change.files] or change.paths


def _named(
    report: Report, file: str | None, new_failures: Sequence[FailingTest]
) -> Iterator[_Named]:
    """Yield the files that the error names, then those that the new failing tests name."""
    job = tuple(report.build.job.split("/"))
    seen: set[object] = set()

    def is_first(what: object) -> bool:
        is_known = what in seen
        seen.add(what)
        return not is_known

    if file and _parts(file):
        yield _file(file, job, "which the error names")
    for failure in new_failures[:MAX_TESTS]:
        test = failure.test
        for frame in frames(test.stack_trace or ""):
            if frame.is_own and _parts(frame.file) and is_first(frame.file):
                yield _file(frame.file, job, f"which the stack trace of {test.name} names")
        parts = _class_file(test.class_name)
        if len(parts) > 1 and is_first(parts):
            reason = f"which has the failing test {test.name}"
            yield _Named(parts, is_whole=False, is_class=True, reason=reason)


def _file(file: str, job: tuple[str, ...], reason: str) -> _Named:
    """Return a named file; below the job's workspace its folders are those of the repository."""
    parts, is_whole = _parts(file), _WHOLE.match(file) is not None
    if is_whole and "workspace" in parts:
        below = parts[parts.index("workspace") + 1 :]
        within = below[len(job) if below[: len(job)] == job else 1 :]
        parts, is_whole = within or parts, not within
    return _Named(parts, is_whole, is_class=False, reason=reason)


def _class_file(name: str) -> tuple[str, ...]:
    """Return the folders and the file of a class, without the file's extension."""
    parts = _parts(name.partition("$")[0].replace(".", "/"))
    # pytest writes a class behind the module that has it.
    is_within = len(parts) > 1 and parts[-2].startswith("test_")
    return parts[:-1] if is_within else parts


def _matches(named: _Named, candidates: Sequence[_Touched]) -> Sequence[_Touched]:
    """Return the changes of the one path that a named file is; none if there are several."""
    if len(candidates) > MAX_CANDIDATES:
        return []
    matching = [
        one
        for one in candidates
        if _ends_with(one.parts, named.parts, named.is_class)
        or (named.is_whole and len(one.parts) > 1 and _ends_with(named.parts, one.parts, False))
    ]
    return matching if len({one.path for one in matching}) == 1 else []


def _ends_with(parts: tuple[str, ...], end: tuple[str, ...], is_class: bool) -> bool:
    *folders, name = parts[-len(end) :]
    return (*folders, name.rpartition(".")[0] if is_class else name) == end


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in {"", "."})


def _proof(change: Change, path: str, reason: str) -> str:
    author = f" by {change.author}" if change.author.strip() else ""
    return f"{change.id[:ID_LENGTH]}{author} touches {path}, {reason}"
