"""The builds before a build that did not pass either: for how long a job has been broken."""

from dataclasses import dataclass

from pyservice.report.facts import PastBuild
from pyservice.report.fields import Result
from pyservice.report.schema import Build

FAILING = frozenset[Result | None]({"FAILURE", "UNSTABLE"})
ENDED_BADLY = frozenset[Result | None]({"FAILURE", "ABORTED", "NOT_BUILT"})
"""What an error or an interruption ended; an unstable build went on to its end."""
PASSED_OVER = frozenset[Result | None]({"ABORTED", "NOT_BUILT", None})
"""Builds that say nothing of the code: they were stopped, or are still running."""


@dataclass(frozen=True)
class Breakage:
    """The failing and unstable builds right before a build."""

    builds: tuple[PastBuild, ...] = ()
    """The builds that are known, the newest first."""
    is_whole: bool = False
    """Whether the history reaches back to the success before them, or to the job's first build."""

    @property
    def first(self) -> PastBuild | None:
        """Return the build that broke the job; None: it is not known."""
        return self.builds[-1] if self.builds and self.is_whole else None

    def has_only(self, result: Result) -> bool:
        """Return whether all its builds have this result."""
        return all(past.result == result for past in self.builds)


def breakage(build: Build) -> Breakage:
    """Return the breakage right before a build, as its history shows it."""
    broken: list[PastBuild] = []
    if build.history is None:
        return Breakage()
    success, oldest = build.history.last_success, None
    for past in build.history.builds:
        if past.number >= build.number:
            continue
        if past.result == "SUCCESS":
            return Breakage(tuple(broken), is_whole=True)
        oldest = past
        if past.result in FAILING:
            broken.append(past)
    is_whole = oldest is not None and (
        oldest.number == 1 or (success is not None and success.number == oldest.number - 1)
    )
    return Breakage(tuple(broken), is_whole)


def previous_result(build: Build) -> Result | None:
    """Return the result of the last build before that was neither stopped nor left unbuilt."""
    for past in build.history.builds if build.history else ():
        if past.number < build.number and past.result not in PASSED_OVER:
            return past.result
    return build.previous_result


def ended_at(build: Build | PastBuild) -> int:
    """Return when a build ended, or reported, in milliseconds since 1970."""
    return build.started_at + (build.duration_ms or 0)
