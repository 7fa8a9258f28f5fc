"""headline.py: a build's result in a reader's words."""

from typing import Any

import pytest

from pyservice.report.headline import headline
from pyservice.report.schema import Report
from tests.builders.parts import history, past, report


@pytest.mark.parametrize(
    ("previous", "result", "word"),
    [
        (None, "SUCCESS", "Passed"),
        ("SUCCESS", "SUCCESS", "Passed"),
        ("FAILURE", "SUCCESS", "Fixed"),
        ("UNSTABLE", "SUCCESS", "Fixed"),
        ("ABORTED", "SUCCESS", "Passed"),
        ("NOT_BUILT", "SUCCESS", "Passed"),
        ("SUCCESS", "FAILURE", "Failed"),
        ("FAILURE", "FAILURE", "Still failing"),
        ("ABORTED", "FAILURE", "Failed"),
        ("NOT_BUILT", "FAILURE", "Failed"),
        ("UNSTABLE", "FAILURE", "Failed"),
        ("UNSTABLE", "UNSTABLE", "Still unstable"),
        ("FAILURE", "UNSTABLE", "Unstable"),
        ("ABORTED", "UNSTABLE", "Unstable"),
        ("ABORTED", "ABORTED", "Aborted"),
        ("NOT_BUILT", "NOT_BUILT", "Not built"),
    ],
)
def test_seen_against_the_build_before(previous: str | None, result: str, word: str) -> None:
    """Only a build that ended by itself can have been mended, or have failed before."""
    build = {"job": "a", "number": 2, "result": result, "started_at": 1}
    report = Report.model_validate({"build": build | {"previous_result": previous}})
    assert headline(report.build).word == word
    assert headline(report.build).detail == ""


FIRST = past(41, "FAILURE", 2.5)
SUCCESS = past(40, "SUCCESS", 3)


@pytest.mark.parametrize(
    ("result", "before", "word", "detail"),
    [
        ("FAILURE", history(SUCCESS), "Failed", ""),
        ("FAILURE", history(FIRST, SUCCESS), "Still failing", "2nd time, since #41, 2 h ago"),
        (
            "FAILURE",
            history(past(43, "ABORTED"), past(42, "FAILURE", 2), FIRST, SUCCESS),
            "Still failing",
            "3rd time, since #41, 2 h ago",
        ),
        (
            "FAILURE",
            history(past(43, None), past(42, "NOT_BUILT"), FIRST, SUCCESS),
            "Still failing",
            "2nd time, since #41, 2 h ago",
        ),
        ("FAILURE", history(FIRST), "Still failing", "for at least 2 builds"),
        (
            "FAILURE",
            history(FIRST, success=SUCCESS),
            "Still failing",
            "2nd time, since #41, 2 h ago",
        ),
        (
            "FAILURE",
            history(FIRST, success=past(12, "SUCCESS", 90)),
            "Still failing",
            "for at least 2 builds",
        ),
        (
            "FAILURE",
            history(past(43, "FAILURE"), past(1, "FAILURE", 50)),
            "Still failing",
            "3rd time, since #1, 2 d ago",
        ),
        (
            "FAILURE",
            history(past(43, "FAILURE"), past(42, "UNSTABLE", 1), SUCCESS),
            "Still failing",
            "broken since #42, 1 h ago",
        ),
        (
            "FAILURE",
            history(past(43, "UNSTABLE", 0.5), SUCCESS),
            "Failed",
            "broken since #43, 30 min ago",
        ),
        (
            "FAILURE",
            history(*(past(43 - n, "FAILURE") for n in range(10)), SUCCESS),
            "Still failing",
            "11th time, since #34",
        ),
        (
            "UNSTABLE",
            history(past(43, "UNSTABLE", 0.01), SUCCESS),
            "Still unstable",
            "2nd time, since #43, 36 s ago",
        ),
        ("UNSTABLE", history(FIRST), "Unstable", "broken for at least 2 builds"),
        ("SUCCESS", history(SUCCESS), "Passed", ""),
        ("SUCCESS", history(past(43, "ABORTED"), SUCCESS), "Passed", ""),
        (
            "SUCCESS",
            history(past(43, "FAILURE"), past(42, "UNSTABLE", 1), FIRST, SUCCESS),
            "Fixed",
            "after 2 h 30 min (3 builds)",
        ),
        ("SUCCESS", history(FIRST), "Fixed", "after at least 1 build"),
        ("ABORTED", history(FIRST, SUCCESS), "Aborted", ""),
    ],
)
def test_seen_against_the_history(
    result: str, before: dict[str, Any], word: str, detail: str
) -> None:
    """It names the build that broke the job only if the success before that one is known."""
    found = headline(report(build={"result": result, "history": before}).build)
    assert (found.word, found.detail) == (word, detail)


USER = "jenkins.model.CauseOfInterruption$UserInterruption"
TIMEOUT = "org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution$ExceededTimeout"
REJECTION = "org.jenkinsci.plugins.workflow.support.steps.input.Rejection"
LOST = "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$RemovedNodeCause"
CANCELLED = (
    "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"
    "$CancelledCause"
)


@pytest.mark.parametrize(
    ("interruption", "word"),
    [
        ({"type": USER, "text": "Aborted by Ada", "user": {"name": "Ada L."}}, "Aborted by Ada L."),
        ({"type": USER, "text": "Aborted by Ada"}, "Aborted by Ada"),
        ({"type": TIMEOUT, "text": "Timeout has been exceeded"}, "Timed out"),
        ({"type": TIMEOUT, "after_ms": 1_200_480}, "Timed out after 20 min"),
        ({"type": TIMEOUT, "after_ms": 5_405_000}, "Timed out after 1 h 30 min"),
        ({"type": TIMEOUT, "after_ms": 20_017}, "Timed out after 20 s"),
        ({"type": CANCELLED, "text": "Superseded by #15"}, "Superseded by #15"),
        ({"type": REJECTION, "text": "Rejected by Ada"}, "Rejected by Ada"),
        ({"type": REJECTION, "text": "Rejected"}, "Rejected"),
        ({"type": LOST, "text": "Agent was removed"}, "Agent lost"),
        ({"type": "a.B", "text": "whatever"}, "Aborted"),
    ],
)
def test_stopped(interruption: dict[str, Any], word: str) -> None:
    """It names who or what stopped the build, as far as that is known."""
    build = report(build={"result": "ABORTED", "interruption": interruption}).build
    assert headline(build).word == word


@pytest.mark.parametrize(
    ("kind", "step", "word"),
    [
        ("groovy.lang.MissingPropertyException", None, "Jenkinsfile error"),
        ("java.lang.NoSuchMethodError", {}, "Jenkinsfile error"),
        ("java.lang.NullPointerException", {"function": ""}, "Jenkinsfile error"),
        ("java.lang.NullPointerException", {"function": "junit"}, "Failed"),
        ("java.lang.NullPointerException", None, "Failed"),
        ("hudson.AbortException", {"function": ""}, "Failed"),
        ("hudson.remoting.ChannelClosedException", None, "Agent lost"),
    ],
)
def test_of_an_error(kind: str, step: dict[str, Any] | None, word: str) -> None:
    """A mistake in the Jenkinsfile is one only if no step raised the error."""
    failed = report(error={"type": kind, "message": "x", "step": step})
    assert headline(failed.build, failed.error).word == word
