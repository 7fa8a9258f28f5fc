"""Many builds as one mail shows them: what failed most comes first."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pyservice.report.fingerprint import first_line
from pyservice.report.headline import Headline, headline
from pyservice.report.schema import Build, Report, Result

LONGEST = 300
"""Characters of an error's line that are kept."""
_WORST: tuple[Result, ...] = ("FAILURE", "UNSTABLE", "ABORTED", "NOT_BUILT", "SUCCESS")
_FAILING = frozenset({"FAILURE", "UNSTABLE"})


@dataclass(frozen=True)
class Member:
    """One build of a digest, without what takes much room."""

    id: str
    """Its report's."""
    build: Build
    """Without its description and causes."""
    summary: str
    """Its error's line, or how many tests failed, or nothing."""

    @classmethod
    def from_report(cls, report_id: str, report: Report) -> "Member":
        """What a digest shows of a report."""
        summary = first_line(report.error.message)[:LONGEST] if report.error else ""
        if report.error is None and report.tests and report.tests.failed:
            summary = f"{report.tests.failed} test{'s' * (report.tests.failed > 1)} failed"
        build = report.build.model_copy(update={"description": None, "causes": []})
        return cls(report_id, build, summary)

    @property
    def headline(self) -> Headline:
        """What happened to it."""
        return headline(self.build)


@dataclass(frozen=True)
class Run:
    """Builds of one job that came to the same."""

    headline: Headline
    summary: str
    builds: tuple[Build, ...]
    """The newest first."""


@dataclass(frozen=True)
class Job:
    """The builds of one job."""

    name: str
    title: str
    """Its name for people, as Jenkins shows it."""
    url: str | None
    """None: not known."""
    total: int
    failing: int
    """How many of them failed or were unstable."""
    runs: tuple[Run, ...]
    """Those that are shown, the newest first."""
    left_out: int
    """How many more there are."""


@dataclass(frozen=True)
class Digest:
    """All builds of a digest."""

    members: tuple[Member, ...]
    """The oldest first, at least one."""

    @property
    def total(self) -> int:
        """How many builds there are."""
        return len(self.members)

    @property
    def failing(self) -> int:
        """How many of them failed or were unstable."""
        return _failing(self.members)

    @cached_property
    def counts(self) -> Mapping[Result, int]:
        """How many builds had each result, the worst first."""
        found = Counter(member.build.result for member in self.members)
        return {result: found[result] for result in _WORST if found[result]}

    @cached_property
    def summary(self) -> str:
        """What most of those that say something say."""
        found = Counter(member.summary for member in self.members if member.summary)
        return found.most_common(1)[0][0] if found else ""

    @cached_property
    def says_more(self) -> bool:
        """Whether others say something else than `summary`, or nothing."""
        return any(member.summary != self.summary for member in self.members)

    @cached_property
    def job(self) -> str | None:
        """The job of all of them; None: there are several."""
        names = {member.build.job for member in self.members}
        return names.pop() if len(names) == 1 else None

    @property
    def since(self) -> int:
        """When the first of them began, in milliseconds since 1970."""
        return min(member.build.started_at for member in self.members)

    @property
    def until(self) -> int:
        """When the last of them began."""
        return max(member.build.started_at for member in self.members)

    def jobs(self, rows: int) -> tuple[Job, ...]:
        """The jobs, the one that failed most first.

        Args:
            rows: how many builds are shown at most. Each job has its turn, so that one with
                hundreds does not hide the others.

        Returns:
            All of them; one of which no build is shown has no `runs`.
        """
        by_job: dict[str, list[Member]] = {}
        for member in reversed(self.members):
            by_job.setdefault(member.build.job, []).append(member)
        ranked = sorted(by_job.items(), key=lambda one: (-_failing(one[1]), -len(one[1]), one[0]))
        shown = _shares([len(members) for _, members in ranked], rows)
        return tuple(
            Job(
                name=name,
                title=_title(members[0].build),
                url=_job_url(members[0].build),
                total=len(members),
                failing=_failing(members),
                runs=_runs(members[:count]),
                left_out=len(members) - count,
            )
            for (name, members), count in zip(ranked, shown, strict=True)
        )


def _failing(members: Iterable[Member]) -> int:
    return sum(member.build.result in _FAILING for member in members)


def _shares(wanted: list[int], rows: int) -> list[int]:
    """How many rows each gets, one after the other in turn."""
    shares = [0] * len(wanted)
    while rows > 0:
        before = rows
        for index, most in enumerate(wanted):
            if rows and shares[index] < most:
                shares[index] += 1
                rows -= 1
        if rows == before:
            break
    return shares


def _runs(members: list[Member]) -> tuple[Run, ...]:
    found: dict[tuple[Headline, str], list[Build]] = {}
    for member in members:
        found.setdefault((member.headline, member.summary), []).append(member.build)
    return tuple(Run(word, summary, tuple(builds)) for (word, summary), builds in found.items())


def _title(build: Build) -> str:
    """The title of a build is its job's with its own name."""
    full, own = build.full_display_name or "", build.display_name or f"#{build.number}"
    return full.removesuffix(f" {own}") if full.endswith(f" {own}") else build.job


def _job_url(build: Build) -> str | None:
    """Jenkins' address of a build is its job's with the number."""
    if build.url is None:
        return None
    job, _, number = build.url.rstrip("/").rpartition("/")
    return f"{job}/" if number == str(build.number) else None
