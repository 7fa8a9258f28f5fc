"""A build's result in a reader's words."""

from dataclasses import dataclass

from pyservice.report.schema import Build


@dataclass(frozen=True)
class Headline:
    """A build's result in a reader's words, and its colour."""

    word: str
    tone: str
    """The colour: good, bad, warning or neutral."""


_HEADLINES = {
    "SUCCESS": Headline("Passed", "good"),
    "UNSTABLE": Headline("Unstable", "warning"),
    "FAILURE": Headline("Failed", "bad"),
    "ABORTED": Headline("Aborted", "neutral"),
    "NOT_BUILT": Headline("Not built", "neutral"),
}


def headline(build: Build) -> Headline:
    """Return a build's headline, seen against the build before: "Fixed", "Still failing"."""
    if build.result == "SUCCESS" and build.previous_result in {"FAILURE", "UNSTABLE"}:
        return Headline("Fixed", "good")
    if build.result == build.previous_result == "FAILURE":
        return Headline("Still failing", "bad")
    if build.result == build.previous_result == "UNSTABLE":
        return Headline("Still unstable", "warning")
    return _HEADLINES[build.result]
