"""reason.py: why a build ended as it did."""

from typing import Any

import pytest

from pyservice.analysis.reason import find_reason, log_lines
from tests.builders.parts import counts, failing, report, step

TIMEOUT = "org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution$ExceededTimeout"
INTERRUPTED = "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"
GCC = "+ gcc -c main.c\nmain.c:2:10: error: 'cents' undeclared\nmake: *** [all] Error 2"


def reason(**members: Any) -> tuple[str, str]:
    """Return the sentence and the command."""
    found = report(**members)
    result = find_reason(found, log_lines(found))
    return result.sentence, result.command


@pytest.mark.parametrize(
    ("error", "sentence", "command"),
    [
        (step(log=GCC), "Build: main.c:2: error: 'cents' undeclared", "gcc -c main.c"),
        (
            step(command="  ./deploy.sh  "),
            'Build: "./deploy.sh" ended with exit code 1',
            "./deploy.sh",
        ),
        (
            step(
                log="+ python3 -c raise KeyError(1)\nKeyError: 1",
                command="make\npython3 -c 'raise KeyError(1)'",
            ),
            "Build: KeyError: 1",
            "python3 -c 'raise KeyError(1)'",
        ),
        (step(command="a\nb"), "Build: script returned exit code 1", ""),
        (step(command="exit 1"), "Build: script returned exit code 1", ""),
        (step(function="error", command="x") | {"message": "Too late"}, "Build: Too late", ""),
        (step("error", place=[]) | {"message": "end"}, "The Pipeline says: end", ""),
        (
            step(label="Log in", command="./login", log="+ echo user=a\nuser=a p=****\n+ exit 9"),
            "Build: Log in ended with exit code 1",
            "./login",
        ),
        (step(place=[]) | {"message": "Too late", "stage": "Deploy"}, "Deploy: Too late", ""),
        (
            {"type": INTERRUPTED, "message": "shop/deploy #12 completed with status FAILURE (…)"},
            "shop/deploy #12 failed",
            "",
        ),
        (
            {"type": INTERRUPTED, "message": "a/b #3 completed with status UNSTABLE"},
            "a/b #3 was unstable",
            "",
        ),
        (
            {"type": "groovy.lang.MissingPropertyException", "message": "No such property: X"},
            "No such property: X",
            "",
        ),
        (
            step(function="git", log="fatal: repository 'x' not found")
            | {"message": "Error cloning remote repo 'origin'"},
            "Build: repository 'x' not found",
            "",
        ),
    ],
)
def test_what_failed(error: dict[str, Any], sentence: str, command: str) -> None:
    """The log's first error counts more than Jenkins' message that a command failed."""
    assert reason(error=error) == (sentence, command)


def test_failing_tests_count_more_than_their_tool() -> None:
    """The report knows more of them than the log."""
    tests = counts(failing("test_a", "test_x", stage="unit"), failing("test_b", "test_x"))
    log = "+ pytest\nFAILED test_x.py::test_a - AssertionError: no"
    assert reason(error=step(log=log), tests=tests)[0] == "2 tests failed, all of them new"
    assert reason(error=step(log=GCC), tests=tests)[0] == (
        "Build: main.c:2: error: 'cents' undeclared"
    )
    assert reason(error=step(), tests=tests)[0] == "2 tests failed, all of them new"


@pytest.mark.parametrize(
    ("interruption", "error", "sentence"),
    [
        ({"type": TIMEOUT, "after_ms": 1_200_000}, step("sleep"), "Build: timed out after 20 min"),
        ({"type": TIMEOUT}, step("node", place=[]), "no agent was free"),
        ({"type": "a.B", "text": "Aborted by Ada"}, step(), "Build: aborted by Ada"),
        ({"type": "a.B", "text": "Superseded by #45"}, step(), "Build: Superseded by #45"),
        ({"type": "a.input.Rejection", "text": "Rejected"}, step("input"), "Build: rejected"),
        ({"type": "x.RemovedNodeCause"}, step(agent="a-7"), "Build: the agent a-7 was lost"),
        (None, None, ""),
    ],
)  # fmt: skip
def test_who_or_what_stopped_it(
    interruption: dict[str, Any] | None, error: dict[str, Any] | None, sentence: str
) -> None:
    """What the log shows at that moment does not count."""
    build = {"result": "ABORTED", "interruption": interruption}
    assert reason(build=build, error=error, log=["fatal: x"]) == (sentence, "")


def test_an_unstable_build() -> None:
    """Failing tests count more than warnings, and of these a caught error counts most."""
    build = {"result": "UNSTABLE"}
    warnings = [
        {"message": "1 tests failed", "place": ["unit"]},
        {"message": "lint failed", "result": "FAILURE", "place": ["Test", "lint"]},
    ]
    assert reason(build=build, warnings=warnings)[0] == "lint: lint failed"
    assert reason(build=build, warnings=warnings[:1])[0] == "unit: 1 tests failed"
    tests = counts(failing("a"), failing("b"))
    assert reason(build=build, warnings=warnings, tests=tests)[0] == (
        "2 tests failed, all of them new"
    )
    assert reason(build=build)[0] == ""


def test_the_whole_log() -> None:
    """It is searched only if no step is known; Jenkins' own lines in it are passed over."""
    log = ["[Pipeline] sh", *GCC.split("\n"), "[Pipeline] }"]
    error = {"message": "script returned exit code 2"}
    assert reason(error=error, log=log)[0] == "main.c:2: error: 'cents' undeclared"
    assert reason(log=log)[0] == "main.c:2: error: 'cents' undeclared"
    assert reason(error=step(), log=log)[0] == "Build: script returned exit code 1"


def test_a_green_build() -> None:
    """It needs no reason."""
    caught = step(log=GCC)
    assert reason(build={"result": "SUCCESS"}, error=caught, log=["fatal: x"]) == ("", "")


def test_one_short_line() -> None:
    """Whatever an author writes."""
    sentence, _ = reason(error=step("error") | {"message": "x\r" * 5000})
    assert "\n" not in sentence
    assert len(sentence) <= 500
