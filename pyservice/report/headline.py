"""A build's result in a reader's words."""

import re
from dataclasses import dataclass, replace

from pyservice.report.breakage import FAILING, Breakage, breakage, ended_at, previous_result
from pyservice.report.facts import Interruption
from pyservice.report.schema import Build, Failure
from pyservice.text import age, counted, span

_GROOVY = re.compile(
    r"groovy\.lang\.|org\.codehaus\.groovy\.|java\.lang\.NoSuchMethodError$"
    r"|org\.jenkinsci\.plugins\.scriptsecurity\."
)
"""The classes of errors that are a mistake in the Jenkinsfile, or in a library."""
_JAVA = re.compile(r"java\.(?:lang|util)\.")
_SUPERSEDED = re.compile(r"Superseded by .+")
_BY = re.compile(r"(?:Aborted|Rejected) by (?P<name>.+)")


@dataclass(frozen=True)
class Headline:
    """A build's result in a reader's words, and its colour."""

    word: str
    tone: str
    """The colour: good, bad, warning or neutral."""
    detail: str = ""
    """For how long that has been so: "3rd time, since #41, 2 h ago"; empty: not known, or new."""


_HEADLINES = {
    "SUCCESS": Headline("Passed", "good"),
    "UNSTABLE": Headline("Unstable", "warning"),
    "FAILURE": Headline("Failed", "bad"),
    "ABORTED": Headline("Aborted", "neutral"),
    "NOT_BUILT": Headline("Not built", "neutral"),
}
_AGENT_LOST = Headline("Agent lost", "warning")
_STILL = {"FAILURE": "failing", "UNSTABLE": "unstable"}


def headline(build: Build, error: Failure | None = None) -> Headline:
    """Return a build's headline, seen against the builds before: "Fixed", "Still failing".

    Builds that were aborted or not built are passed over. Times are those between builds, so that
    a build's headline is always the same.

    Args:
        build: the build.
        error: what broke it; a mistake in the Jenkinsfile has a headline of its own.
    """
    if build.result in {"ABORTED", "NOT_BUILT"}:
        stopped = build.interruption and _stopped(build.interruption)
        return stopped or _HEADLINES[build.result]
    plain, before, broken = _HEADLINES[build.result], previous_result(build), breakage(build)
    if build.result == "SUCCESS":
        is_fixed = before in FAILING
        return Headline("Fixed", "good", _broken_for(build, broken)) if is_fixed else plain
    if error is not None and is_agent_lost(error.type or ""):
        return _AGENT_LOST
    if error is not None and is_jenkinsfile_error(error):
        return Headline("Jenkinsfile error", plain.tone, _broken_since(build, broken))
    if build.result == before:
        return Headline(f"Still {_STILL[before]}", plain.tone, _again(build, broken))
    return replace(plain, detail=_broken_since(build, broken))


def is_agent_lost(java_class: str) -> bool:
    """Return whether a Java class says that the agent went away: a cause's, or an exception's."""
    name = java_class.rpartition(".")[2].rpartition("$")[2]
    return name in {
        "RemovedNodeCause",
        "RemovedNodeTimeoutCause",
        "AgentOfflineException",
        "ChannelClosedException",
        "ClosedChannelException",
    }


def is_timeout(interruption: Interruption) -> bool:
    """Return whether the step `timeout` stopped the build."""
    return interruption.type.endswith("$ExceededTimeout")


def is_jenkinsfile_error(error: Failure) -> bool:
    """Return whether a mistake in the Jenkinsfile, or in a library, broke the build.

    Groovy's own errors are; those of Java only if no step raised them.
    """
    kind = error.type or ""
    if _GROOVY.match(kind):
        return True
    return error.step is not None and not error.step.function and bool(_JAVA.match(kind))


def stopped_by(interruption: Interruption) -> str:
    """Return the name of who stopped the build; empty: it was no person, or is not known."""
    if interruption.user and interruption.user.name.strip():
        return interruption.user.name
    by = _BY.fullmatch(interruption.text)
    return by["name"] if by else ""


def _stopped(interruption: Interruption) -> Headline | None:
    """Return the headline of a build that was stopped; None: it has no words of its own."""
    by, kind = stopped_by(interruption), interruption.type
    if is_agent_lost(kind):
        return _AGENT_LOST
    if is_timeout(interruption):
        after = interruption.after_ms
        return Headline(f"Timed out after {span(after)}" if after else "Timed out", "warning")
    if _SUPERSEDED.fullmatch(interruption.text):
        return Headline(interruption.text, "neutral")
    if kind.endswith(".Rejection"):
        return Headline(f"Rejected by {by}" if by else "Rejected", "neutral")
    return Headline(f"Aborted by {by}", "neutral") if by else None


def _again(build: Build, broken: Breakage) -> str:
    """Return which time it is, of builds with the same result: "3rd time, since #41, 2 h ago"."""
    if not broken.has_only(build.result):
        return _broken_since(build, broken)
    if broken.first is None:
        return f"for at least {len(broken.builds) + 1} builds" if broken.builds else ""
    return f"{_ordinal(len(broken.builds) + 1)} time, {_since(build, broken)}"


def _broken_since(build: Build, broken: Breakage) -> str:
    """Return since when the job has been broken, in whatever way."""
    if broken.first is None:
        return f"broken for at least {len(broken.builds) + 1} builds" if broken.builds else ""
    return f"broken {_since(build, broken)}"


def _since(build: Build, broken: Breakage) -> str:
    first = broken.first
    if first is None:
        return ""
    ago = ended_at(build) - ended_at(first)
    return f"since #{first.number}, {age(ago)} ago" if ago > 0 else f"since #{first.number}"


def _broken_for(build: Build, broken: Breakage) -> str:
    """Return for how long a job was broken: "after 2 h 10 min (3 builds)"."""
    if not broken.builds:
        return ""
    builds = counted(len(broken.builds), "build")
    if broken.first is None:
        return f"after at least {builds}"
    time = ended_at(build) - ended_at(broken.first)
    return f"after {span(time)} ({builds})" if time > 0 else f"after {builds}"


def _ordinal(number: int) -> str:
    """Return a number's ordinal: 1st, 2nd, 3rd, 4th, 11th."""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
