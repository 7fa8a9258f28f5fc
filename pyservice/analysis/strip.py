"""The last builds of a job as a strip: their results, with durations in proportion."""

from dataclasses import dataclass

from pyservice.report.fields import Result
from pyservice.report.schema import Build

MAX_BUILDS = 10


@dataclass(frozen=True)
class StripBuild:
    """One build of the strip."""

    number: int
    result: Result | None
    """None: it is still running."""
    duration_ms: int | None
    share: float
    """Its duration as a part of the longest one's, from 0 to 1."""
    url: str | None
    """Its page; None: not known."""
    is_this: bool = False
    """Whether the mail is about it."""


def strip(build: Build) -> tuple[StripBuild, ...]:
    """Return the last builds of a job, the oldest first and this one last.

    Returns:
        Nothing if no build before this one is known.
    """
    past = [
        one for one in (build.history.builds if build.history else ()) if one.number < build.number
    ]
    if not past:
        return ()
    job = job_url(build)
    shown = [(one, False) for one in reversed(past[: MAX_BUILDS - 1])] + [(build, True)]
    longest = max(one.duration_ms or 0 for one, _ in shown)
    return tuple(
        StripBuild(
            number=one.number,
            result=one.result,
            duration_ms=one.duration_ms,
            share=(one.duration_ms or 0) / longest if longest else 0.0,
            url=build.url if is_this else job and f"{job}{one.number}/",
            is_this=is_this,
        )
        for one, is_this in shown
    )


def job_url(build: Build) -> str | None:
    """Return the page of a build's job: the build's without its number; None: not known."""
    if build.url is None:
        return None
    job, _, number = build.url.rstrip("/").rpartition("/")
    return f"{job}/" if number == str(build.number) else None
