"""pipeline.py: which stage and which step ended a build, and what its log says."""

from typing import Any

import pytest

from pyservice.jenkins.answers import WRONG
from pyservice.jenkins.pipeline import MAX_LOG, Pipeline

Json = dict[str, Any]


def stage(name: str, *, error: str = "", at: int = 0, lasts: int = 10, **more: Any) -> Json:
    """Return a stage as wfapi has it."""
    failed = {"status": "FAILED", "error": {"message": error, "type": "X"}} if error else {}
    return {
        "id": str(at + 1),
        "name": name,
        "status": "SUCCESS",
        "startTimeMillis": at,
        "durationMillis": lasts,
        **failed,
        **more,
    }


def failed_stage(*stages: Json, console: str | None = "", result: str = "FAILURE") -> str | None:
    """Return the name of the stage that ended a build."""
    failure = Pipeline({"stages": list(stages)}, console, result).failure()
    return failure.stage if failure else None


def test_a_caught_error_before() -> None:
    """Of several errors in turn the last one ended the build; what was skipped has it, too."""
    build, test = stage("Build", error="exit 1"), stage("Test", error="exit 2", at=20)
    deploy = stage("Deploy", error="exit 2", at=40)
    skipped = 'Stage "Deploy" skipped due to earlier failure(s)'
    assert failed_stage(build, test, deploy, console=skipped) == "Test"
    assert failed_stage(build, test, deploy, console=None) == "Test"
    assert failed_stage(build, test) == "Test"


def test_the_same_error_twice() -> None:
    """Two steps that fail alike are told apart if the log says which stages were skipped."""
    build, test = stage("Build", error="exit 1"), stage("Test", error="exit 1", at=20)
    assert failed_stage(build, test) == "Test"


def test_two_branches() -> None:
    """Of stages that ran at the same time the first to fail ended the build."""
    slow = stage("slow", error="exit 1", at=20, lasts=50)
    quick = stage("quick", error="exit 1", at=21, lasts=10)
    assert failed_stage(stage("Build"), slow, quick) == "quick"
    assert failed_stage(stage("Build"), quick, slow) == "quick"


def test_nothing_failed() -> None:
    """A build whose stages passed has no failure."""
    assert failed_stage(stage("Build")) is None
    assert failed_stage() is None
    assert Pipeline(None, None, "FAILURE").failure() is None


def test_the_step_that_failed() -> None:
    """Of the failed steps of a stage it is the last one with the stage's error."""
    steps = {
        "error": {"message": "exit 2"},
        "stageFlowNodes": [
            {"id": "7", "error": {"message": "exit 2"}},
            {"id": "8", "error": {"message": "exit 2"}},
            {"id": "9", "error": {"message": "caught"}},
            {"id": "10"},
        ],
    }
    pipeline = Pipeline({"stages": []}, "", "FAILURE")
    assert pipeline.failed_step_id(steps) == "8"
    assert pipeline.failed_step_id({"stageFlowNodes": []}) is None


@pytest.mark.parametrize("wrong", ["../../script", "", "1/2", "9" * 11, "٣"])
def test_only_a_number_is_a_node(wrong: str) -> None:
    """A path is made of an ID only if it is one."""
    node = {"id": wrong, "error": {"message": "x"}}
    pipeline = Pipeline({"stages": [stage("Build", error="x", id=wrong)]}, "", "FAILURE")
    assert pipeline.failed_stage_id() is None
    assert pipeline.failed_step_id({"stageFlowNodes": [node]}) is None


@pytest.mark.parametrize("name", ["Shell Script", "withCredentials", "Log in"])
def test_a_command(name: str) -> None:
    """A step's argument is kept only of steps whose argument is no secret by itself."""
    step = {
        **{"id": "7", "name": name, "parameterDescription": "make all"},
        **{"startTimeMillis": 0, "durationMillis": 1, "error": {"message": "x"}},
    }
    text = '<span class="timestamp"><b>1:2</b> </span>a &lt; b <a href="x">c</a>\n'
    pipeline = Pipeline({"stages": [stage("Build", error="x")]}, "", "FAILURE")
    failure = pipeline.failure({"stageFlowNodes": [step]}, {"text": text, "hasMore": True})
    assert failure is not None
    assert failure.step is not None
    assert (failure.step.command == "make all") == (name == "Shell Script")
    assert failure.step.log == "a < b c\n"
    assert failure.step.log_is_cut


def test_the_end_of_a_log() -> None:
    """A log is the failed stage's own lines, the last of them; else those of the whole build."""
    line = "x" * 100
    begin = "[Pipeline] { (Build)\n"
    console = f"before\n{begin}" + f"{line}\n" * 1000
    pipeline = Pipeline({"stages": [stage("Build", error="x")]}, console, "FAILURE")
    log = pipeline.log(pipeline.failure())
    assert set(log) == {line}
    assert MAX_LOG - 200 < sum(len(one) + 1 for one in log) <= MAX_LOG
    other = Pipeline({"stages": [stage("Test", error="x")]}, f"{begin}one\ntwo", "FAILURE")
    assert other.log(other.failure()) == ["one", "two"]
    assert other.log(None) == []


@pytest.mark.parametrize(
    "stages", [{}, {"stages": 7}, {"stages": [7]}, {"stages": [{}]}, {"stages": [{"name": 7}]}]
)
def test_another_form(stages: Json) -> None:
    """An answer of another form raises what the callers expect."""
    with pytest.raises(WRONG):
        Pipeline(stages, "", "FAILURE").stages()
