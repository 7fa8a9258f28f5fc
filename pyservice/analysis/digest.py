"""Many builds in one mail, the job that failed most first."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from pyservice.analysis.reason import find_reason, log_lines
from pyservice.analysis.strip import job_url
from pyservice.report.audience import PIPELINE, named_by
from pyservice.report.breakage import FAILING
from pyservice.report.fields import Result
from pyservice.report.headline import Headline, headline
from pyservice.report.readable import job_name, readable
from pyservice.report.schema import Build, Report
from pyservice.terminal import plain

MAX_SUMMARY = 300
"""Characters of an error's line that a digest shows."""
_WORST: tuple[Result, ...] = ("FAILURE", "UNSTABLE", "ABORTED", "NOT_BUILT", "SUCCESS")
_LONG_LISTS = ("causes", "checkouts", "culprits", "upstream_culprits", "parameters")


@dataclass(frozen=True)
class Member:
    """One build of a digest, without its long texts."""

    id: str
    """The report's ID."""
    build: Build
    """The build, without its description, history and long lists."""
    headline: Headline
    """The build's result in a reader's words, without a detail that only this build has."""
    summary: str
    """Why it failed, in one sentence without the stage; empty: it did not, or that is not known."""
    named_by: frozenset[str] = frozenset({PIPELINE})
    """Who names the mail's recipients, as `audience.named_by` says."""

    @classmethod
    def from_report(cls, report_id: str, report: Report) -> "Member":
        """Return what a digest shows of a report."""
        shown = readable(report)
        reason = find_reason(shown, [plain(line) for line in log_lines(report)])
        update: dict[str, object] = {name: [] for name in _LONG_LISTS}
        update |= {"history": None, "description": None, "job": plain(report.build.job)}
        return cls(
            report_id,
            shown.build.model_copy(update=update),
            replace(headline(shown.build, shown.error), detail=""),
            reason.message[:MAX_SUMMARY],
            named_by(report.mail),
        )


@dataclass(frozen=True)
class Run:
    """Builds of one job with the same headline and summary."""

    headline: Headline
    summary: str
    builds: tuple[Build, ...]
    """The builds, the newest first."""


@dataclass(frozen=True)
class Job:
    """The builds of one job."""

    name: str
    """The full name, as people write it."""
    title: str
    """The name that Jenkins shows."""
    url: str | None
    """The job's page; None: not known."""
    total: int
    failing: int
    """How many of them failed or were unstable."""
    runs: tuple[Run, ...]
    """The builds that are shown, the newest first."""
    left_out: int
    """How many builds are not shown."""


@dataclass(frozen=True)
class Digest:
    """All builds of a digest."""

    members: tuple[Member, ...]
    """The builds, the oldest first; at least one."""

    @property
    def total(self) -> int:
        """Return how many builds there are."""
        return len(self.members)

    @property
    def failing(self) -> int:
        """Return how many builds failed or were unstable."""
        return _failing(self.members)

    @cached_property
    def counts(self) -> Mapping[Result, int]:
        """Return how many builds have each result, the worst first."""
        counts = Counter(member.build.result for member in self.members)
        return {result: counts[result] for result in _WORST if counts[result]}

    @cached_property
    def summary(self) -> str:
        """Return the most frequent summary; empty: no build has one."""
        counts = Counter(member.summary for member in self.members if member.summary)
        return counts.most_common(1)[0][0] if counts else ""

    @cached_property
    def has_other_errors(self) -> bool:
        """Whether a build has another summary than the most frequent one, or none."""
        return any(member.summary != self.summary for member in self.members)

    @cached_property
    def job(self) -> str | None:
        """Return the name of the only job; None: there are several."""
        names = {member.build.job for member in self.members}
        return names.pop() if len(names) == 1 else None

    @property
    def named_by(self) -> frozenset[str]:
        """Return who names the recipients of its builds."""
        return frozenset().union(*(member.named_by for member in self.members))

    @property
    def since(self) -> int:
        """Return when the first build began, in milliseconds since 1970."""
        return min(member.build.started_at for member in self.members)

    @property
    def until(self) -> int:
        """Return when the last build began, in milliseconds since 1970."""
        return max(member.build.started_at for member in self.members)

    def jobs(self, rows: int) -> tuple[Job, ...]:
        """Return all jobs, the one that failed most first.

        Args:
            rows: how many builds are shown at most. The jobs take turns, so that a job with
                hundreds of builds does not hide the others. A job of which no build is shown has
                no `runs`.
        """
        by_job: dict[str, list[Member]] = {}
        for member in reversed(self.members):
            by_job.setdefault(member.build.job, []).append(member)
        ranked = sorted(by_job.items(), key=lambda job: (-_failing(job[1]), -len(job[1]), job[0]))
        shown = _shares([len(members) for _, members in ranked], rows)
        return tuple(
            Job(
                name=job_name(name),
                title=_title(members[0].build),
                url=job_url(members[0].build),
                total=len(members),
                failing=_failing(members),
                runs=_runs(members[:count]),
                left_out=len(members) - count,
            )
            for (name, members), count in zip(ranked, shown, strict=True)
        )


def _failing(members: Iterable[Member]) -> int:
    return sum(member.build.result in FAILING for member in members)


def _shares(wanted: list[int], rows: int) -> list[int]:
    """Return how many rows each gets; they take turns, one row each."""
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
    alike: dict[tuple[Headline, str], list[Build]] = {}
    for member in members:
        alike.setdefault((member.headline, member.summary), []).append(member.build)
    return tuple(Run(word, summary, tuple(builds)) for (word, summary), builds in alike.items())


def _title(build: Build) -> str:
    """Return the job's title: the build's full name without its own name."""
    full, own = build.full_display_name or "", build.display_name or f"#{build.number}"
    return full.removesuffix(f" {own}") if full.endswith(f" {own}") else job_name(build.job)
