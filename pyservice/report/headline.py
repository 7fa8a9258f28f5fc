"""What happened to a build, in the words that a reader looks for first."""

from dataclasses import dataclass

from pyservice.report.schema import Build


@dataclass(frozen=True)
class Headline:
    """A build's outcome."""

    word: str
    tone: str
    """good, bad, warning or neutral: the colour."""


_ENDED = {
    "SUCCESS": Headline("Passed", "good"),
    "UNSTABLE": Headline("Unstable", "warning"),
    "FAILURE": Headline("Failed", "bad"),
    "ABORTED": Headline("Aborted", "neutral"),
    "NOT_BUILT": Headline("Not built", "neutral"),
}


def headline(build: Build) -> Headline:
    """The result, seen against the build before: "Fixed", "Still failing"."""
    if build.result == "SUCCESS" and build.previous_result in {"FAILURE", "UNSTABLE"}:
        return Headline("Fixed", "good")
    if build.result == build.previous_result == "FAILURE":
        return Headline("Still failing", "bad")
    if build.result == build.previous_result == "UNSTABLE":
        return Headline("Still unstable", "warning")
    return _ENDED[build.result]
