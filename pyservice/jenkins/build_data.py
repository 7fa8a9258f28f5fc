"""Makes a `Report` of Jenkins' REST answers about a build: pure functions.

A Pipeline in the sandbox can't read test results, stages or its own log; Jenkins' REST can. The
inputs are the parsed answers of `api/json`, `testReport/api/json` and `wfapi/describe`, and the
text of `consoleText`.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from pyservice.report.schema import (
    Build,
    Cause,
    Change,
    Changes,
    FailedTest,
    Failure,
    Report,
    Stage,
    Tests,
)

Json = dict[str, Any]

LOG_LINES = 30

_STATUS_OF_WFAPI = {"FAILED": "FAILURE", "NOT_EXECUTED": "NOT_BUILT"}
_ENDED_BADLY = {"FAILURE", "ABORTED", "NOT_BUILT"}

_FOLDERS_AND_JOB = re.compile(r"/job/([^/]+)")
_TIMESTAMP = re.compile(r"^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] ?")
_STAGE_BEGINS = re.compile(r"^\[Pipeline\] \{ \((?:Branch: )?(?P<name>.*)\)$")
_STAGE_SKIPPED = re.compile(r'^Stage "(?P<name>.*)" skipped due to ')
_INTERRUPTION = re.compile(r"^(?:Aborted by (?!unknown$)|Superseded by ).+")
_ECHO_OF_A_COMMAND = re.compile(r"^\+ echo ")
_SECRET = re.compile(
    r"(?i)\b([\w.-]*(?:passw(?:or)?d|secret|token|api[_-]?key)[\w.-]*\s*[=:]\s*)\S+"
)


def report(build: Json, tests: Json | None, stages: Json | None, console: str) -> Report:
    """Return the report of a build.

    Args:
        build: the answer of `api/json`.
        tests: of `testReport/api/json`; None: 404.
        stages: of `wfapi/describe`; None: 404.
        console: of `consoleText`.
    """
    lines = [_TIMESTAMP.sub("", line) for line in console.splitlines()]
    describe = stages or {"stages": []}
    ended = _stages(describe, lines)
    failure = _failure(describe, ended, lines)
    return Report(
        build=_build(build),
        changes=_changes(build),
        error=failure,
        tests=_tests(tests) if tests else None,
        stages=ended,
        log=_log(lines, failure.stage) if failure else [],
    )


def _build(build: Json) -> Build:
    causes = [cause for action in build["actions"] for cause in action.get("causes", [])]
    # InterruptedBuildAction has causes too: of the build's end, without a text.
    texts = [cause for cause in causes if "shortDescription" in cause]
    return Build(
        job="/".join(map(unquote, _FOLDERS_AND_JOB.findall(build["url"]))),
        number=build["number"],
        result=build["result"] or "SUCCESS",  # null: still running, and nothing failed so far
        started_at=build["timestamp"],
        duration_ms=build["duration"],
        display_name=build["displayName"],
        full_display_name=build["fullDisplayName"],
        url=build["url"],
        previous_result=(build.get("previousBuild") or {}).get("result"),
        description=build["description"],
        causes=[Cause(type=cause["_class"], text=cause["shortDescription"]) for cause in texts],
    )


def _changes(build: Json) -> Changes:
    items = [item for changes in build.get("changeSets", []) for item in changes["items"]]
    return Changes(
        total=len(items),
        items=[
            Change(
                id=item["commitId"],
                message=item["msg"],
                author=item["author"]["fullName"],
                author_id=item["author"].get("id"),
                at=item["timestamp"],
                paths=item["affectedPaths"],
            )
            for item in items
        ],
    )


def _tests(tests: Json) -> Tests:
    cases = [case for suite in tests["suites"] for case in suite["cases"]]
    failing = [case for case in cases if case["status"] in {"FAILED", "REGRESSION"}]
    return Tests(
        total=tests["passCount"] + tests["failCount"] + tests["skipCount"],
        failed=tests["failCount"],
        skipped=tests["skipCount"],
        failures=[
            FailedTest(
                name=case["name"],
                class_name=case["className"],
                message=case["errorDetails"],
                stack_trace=case["errorStackTrace"],
                age=case["age"],
            )
            for case in failing
        ],
    )


def _stages(describe: Json, lines: list[str]) -> list[Stage]:
    """Return the stages; wfapi calls one that was skipped after a failure FAILED, the log knows."""
    skipped = {match["name"] for line in lines if (match := _STAGE_SKIPPED.match(line))}
    return [
        Stage(
            name=stage["name"],
            status="NOT_BUILT" if stage["name"] in skipped else _status(stage["status"]),
            duration_ms=stage["durationMillis"],
        )
        for stage in describe["stages"]
    ]


def _status(wfapi: str) -> Any:
    status = _STATUS_OF_WFAPI.get(wfapi, wfapi)
    return "PAUSED" if status == "PAUSED_PENDING_INPUT" else status


def _failure(describe: Json, stages: list[Stage], lines: list[str]) -> Failure | None:
    """Return the first stage's failure; the log knows who or what interrupted it."""
    interruption = next((line for line in lines if _INTERRUPTION.match(line)), None)
    for raw, stage in zip(describe["stages"], stages, strict=True):
        error = raw.get("error") or {}
        message = interruption or error.get("message")
        if stage.status in _ENDED_BADLY and message:
            return Failure(message=_masked(message), type=error.get("type"), stage=stage.name)
    return None


def _log(lines: list[str], stage: str | None) -> list[str]:
    """Return the last lines of the failed stage, without the Pipeline's own and without secrets."""
    kept = [line for line in _stage_lines(lines, stage) if not _ECHO_OF_A_COMMAND.match(line)]
    return [_masked(line) for line in kept[-LOG_LINES:]]


def _stage_lines(lines: list[str], stage: str | None) -> Iterator[str]:
    inside = False
    for line in lines:
        if match := _STAGE_BEGINS.match(line):
            inside = match["name"] == stage
        elif inside and not line.startswith("[Pipeline]"):
            yield line


def _masked(line: str) -> str:
    return _SECRET.sub(r"\1****", line)
