"""What each sample tells: all stories and their states, in the order of a gallery."""

from dataclasses import dataclass

from pyservice import samples
from pyservice.report.schema import Report
from pyservice.samples import derived, storms

FAILED, UNSTABLE, ABORTED, PASSED = "failed", "unstable", "aborted", "passed"
INFRASTRUCTURE, STORM = "infrastructure", "storm"
STATES = (FAILED, UNSTABLE, INFRASTRUCTURE, ABORTED, PASSED, STORM)
"""The states of stories; a storm is a digest of many builds."""


@dataclass(frozen=True)
class Story:
    """A sample and what happened in it."""

    sample: str
    state: str
    """One of STATES."""
    title: str
    about: str = ""
    """A further sentence; it says so of a sample that is derived."""

    @property
    def is_digest(self) -> bool:
        """Whether the sample is a digest, which has a template of its own."""
        return self.state == STORM


def load(sample: str) -> Report:
    """Return a sample that is one build, recorded or derived.

    Raises:
        KeyError: there is no such sample.
    """
    return derived.load_derived(sample) if sample in derived.names() else samples.load(sample)


def names(*, digests: bool = False) -> tuple[str, ...]:
    """Return the names of the samples that are one build, or of those that are digests."""
    return tuple(story.sample for story in STORIES if story.is_digest == digests)


def _derived(name: str, what: str) -> str:
    return f"{what} Derived from the recorded build {derived.base(name)}."


STORIES = (
    Story("2-compile-error", FAILED, "First failure: it does not compile"),
    Story(
        "2-failure", FAILED, "First failure: tests and compiler", "Read through Jenkins' REST API."
    ),
    Story("12-python-traceback", FAILED, "Still failing: a Python traceback"),
    Story("6-failing-still-running", FAILED, "Reported while the build runs"),
    Story("10-groovy-error", FAILED, "The Jenkinsfile has a mistake"),
    Story("16-matrix", FAILED, "One cell of a matrix fails"),
    Story("7-downstream", FAILED, "A downstream build fails"),
    Story("20-multibranch", FAILED, "A branch of a multibranch project fails"),
    Story(
        "huge",
        FAILED,
        "Huge: hundreds of failing tests, commits and stages",
        _derived("huge", "The mail stays small enough for Gmail."),
    ),
    Story(
        "right-to-left",
        FAILED,
        "Right to left: Hebrew and Arabic",
        _derived("right-to-left", "Names, stages and messages are written from right to left."),
    ),
    Story("3-tests-fail", UNSTABLE, "Unstable: a test fails"),
    Story("3-unstable", UNSTABLE, "Unstable: two tests fail", "Read through Jenkins' REST API."),
    Story(
        "flaky",
        UNSTABLE,
        "Flaky: a test that fails now and then",
        _derived("flaky", "The builds before it passed and failed by turns."),
    ),
    Story("19-agent-lost", INFRASTRUCTURE, "Infrastructure: the agent is lost"),
    Story("29-checkout-fails", INFRASTRUCTURE, "Infrastructure: the checkout fails"),
    Story("13-aborted-by-user", ABORTED, "Aborted by a person"),
    Story(
        "7-aborted-by-user", ABORTED, "Aborted by a known person", "Read through Jenkins' REST API."
    ),
    Story(
        "5-aborted", ABORTED, "Aborted in the middle of a stage", "Read through Jenkins' REST API."
    ),
    Story("15-input-rejected", ABORTED, "A person rejects at an input step"),
    Story("8-timeout", ABORTED, "Timed out"),
    Story(
        "8-aborted-by-timeout", ABORTED, "Timed out in a stage", "Read through Jenkins' REST API."
    ),
    Story("14-superseded", ABORTED, "Superseded by a newer build"),
    Story(
        "9-aborted-superseded",
        ABORTED,
        "Superseded at a milestone",
        "Read through Jenkins' REST API.",
    ),
    Story("4-fixed-by-a-change", PASSED, "Fixed by a change"),
    Story("4-fixed", PASSED, "Fixed", "Read through Jenkins' REST API."),
    Story("1-success", PASSED, "Passed"),
    Story("1-success-first", PASSED, "Passed: the first build", "Read through Jenkins' REST API."),
    Story(storms.names()[0], STORM, "Storm: many jobs fail for one reason", "A digest."),
    Story(storms.names()[1], STORM, "Storm: one job again and again", "A digest."),
)
