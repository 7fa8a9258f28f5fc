"""A build's stages, its failing step and its log, as wfapi and the console show them."""

import html
import re
from collections.abc import Iterator
from typing import Any

from pyservice.analysis.shape import without_timestamp
from pyservice.jenkins.answers import MAX_SHORT, Json, made, text
from pyservice.report.breakage import ENDED_BADLY
from pyservice.report.facts import Step
from pyservice.report.schema import Failure, Stage

MAX_STAGES = 500
MAX_LOG = 16 * 1024
"""Characters of the log's end."""
MAX_MESSAGE = 16 * 1024
"""Characters of an error's message, and of the command that failed."""

_STATUS_OF_WFAPI = {
    "FAILED": "FAILURE",
    "NOT_EXECUTED": "NOT_BUILT",
    "PAUSED_PENDING_INPUT": "PAUSED",
}
_FUNCTIONS = {
    "Shell Script": "sh",
    "Windows Batch Script": "bat",
    "PowerShell Script": "powershell",
    "PowerShell Core Script": "pwsh",
    "Error signal": "error",
}
"""The steps whose argument a report has, by their names in wfapi. Others' may be secret."""

_STAGE_BEGINS = re.compile(r"^\[Pipeline\] \{ \((?:Branch: )?(?P<name>.*)\)$")
_STAGE_SKIPPED = re.compile(r'^Stage "(?P<name>.*)" skipped due to ')
_STOPPED_BY = re.compile(r"^Aborted by (?!unknown$)(?P<user>.+)")
_INTERRUPTION = re.compile(r"^(?:Aborted by (?!unknown$)|Superseded by ).+")
_ECHO_OF_A_COMMAND = re.compile(r"^\+ echo ")
# What the plugin timestamper adds to a line, and any other markup.
_MARKUP = re.compile(
    r'<span class="timestamp"><b>[^<]*</b>[^<]*</span>|<span style="display: none">[^<]*</span> ?'
    r"|<[^<>]*>"
)
_ID = re.compile(r"[0-9]{1,10}")


class Pipeline:
    """What the answers say of a build's stages.

    Its methods raise what `build_data.WRONG` has if an answer has another form than Jenkins'.
    """

    def __init__(self, stages: Json | None, console: str | None, result: str) -> None:
        """Take the answers.

        Args:
            stages: the answer of `wfapi/describe`; None: there is none.
            console: the end of the build's log; None: it is not known.
            result: the build's.
        """
        self._answer = stages
        self._lines = [without_timestamp(line) for line in (console or "").splitlines()]
        self._has_console, self._result = console is not None, result
        matches = map(_STAGE_SKIPPED.match, self._lines)
        self._skipped = {match["name"] for match in matches if match}

    @property
    def _raw(self) -> list[Json]:
        raw: list[Json] = [] if self._answer is None else self._answer["stages"]
        return raw[:MAX_STAGES]

    def stages(self) -> list[Stage]:
        """Return the stages; wfapi calls one that was skipped after a failure FAILED."""
        return [
            made(
                Stage,
                name=raw["name"][:MAX_SHORT],
                status=self._status(raw),
                duration_ms=raw.get("durationMillis"),
                started_at=raw.get("startTimeMillis"),
                id=raw["id"],
            )
            for raw in self._raw
        ]

    def failed_stage_id(self) -> str | None:
        """Return the ID of the flow node of the stage that failed; None: no stage did."""
        stage = self._failed_stage()
        return stage["id"] if stage and _ID.fullmatch(stage["id"]) else None

    def failed_step_id(self, steps: Json) -> str | None:
        """Return the ID of the flow node of the step that failed; None: no step did.

        Args:
            steps: the answer of `execution/node/ID/wfapi/describe` of the failed stage.
        """
        step = self._failed_step(steps)
        return step["id"] if step and _ID.fullmatch(step["id"]) else None

    def failure(self, steps: Json | None = None, log: Json | None = None) -> Failure | None:
        """Return what broke the build; None: nothing did, or nothing says what.

        Args:
            steps: as for `failed_step_id`; None: there are none.
            log: the answer of `execution/node/ID/wfapi/log` of the failed step; None: there is
                none.
        """
        stage = self._failed_stage()
        if stage is None:
            return None
        error = stage.get("error") or {}
        message = self.interruption() or error.get("message")
        if not message:
            return None
        step = self._failed_step(steps) if steps else None
        return Failure(
            message=message[:MAX_MESSAGE],
            type=error.get("type"),
            stage=stage["name"][:MAX_SHORT],
            step=_step(step, stage, log) if step else None,
        )

    def interruption(self) -> str | None:
        """Return by whom or what the build was stopped, in Jenkins' words; None: nobody knows."""
        # Only the log names a person. A build that was not stopped may print such a line, too.
        if self._result not in {"ABORTED", "NOT_BUILT"}:
            return None
        return next((line for line in self._lines if _INTERRUPTION.match(line)), None)

    def stopped_by(self) -> str | None:
        """Return the name of the person who stopped the build; None: nobody did."""
        match = _STOPPED_BY.match(self.interruption() or "")
        return match["user"] if match else None

    def log(self, failure: Failure | None) -> list[str]:
        """Return the last lines of the failed stage, or of the whole log, without the Pipeline's.

        Args:
            failure: what broke the build; None: a build that nothing broke has no log.
        """
        if failure is None:
            return []
        lines = list(self._lines_of(failure.stage)) or [
            line for line in self._lines if not line.startswith("[Pipeline]")
        ]
        kept: list[str] = []
        size = 0
        for line in reversed(lines):
            if not _ECHO_OF_A_COMMAND.match(line):
                size += len(line) + 1
                if size > MAX_LOG:
                    break
                kept.append(line)
        return kept[::-1]

    def _lines_of(self, stage: str | None) -> Iterator[str]:
        inside = False
        for line in self._lines:
            if match := _STAGE_BEGINS.match(line):
                inside = match["name"] == stage
            elif inside and not line.startswith("[Pipeline]"):
                yield line

    def _status(self, raw: Json) -> Any:
        if raw["name"] in self._skipped:
            return "NOT_BUILT"
        return _STATUS_OF_WFAPI.get(raw["status"], raw["status"])

    def _failed_stage(self) -> Json | None:
        """Return the stage whose error ended the build.

        All later stages are skipped, and have the same error. An earlier one may have an error that
        was caught. Of several that ran at the same time the first to fail ended the build.
        """
        bad = [raw for raw in self._raw if self._status_of(raw) in ENDED_BADLY]
        failed = [raw for raw in bad if raw.get("error")]
        if not failed:
            return bad[0] if bad and self.interruption() else None
        skipped = [raw for raw in self._raw if raw["name"] in self._skipped and raw.get("error")]
        error = (skipped or failed)[-1]["error"].get("message")
        failed = [raw for raw in failed if raw["error"].get("message") == error] or failed
        if not self._has_console:  # which of them were skipped is not known
            return failed[0]
        last = failed[-1]["startTimeMillis"]
        return min((raw for raw in failed if _end(raw) > last), key=_end, default=failed[-1])

    def _status_of(self, raw: Json) -> Any:
        """Return a stage's status; None: it was skipped."""
        return None if raw["name"] in self._skipped else self._status(raw)

    def _failed_step(self, steps: Json) -> Json | None:
        """Return the step whose error is the stage's: earlier ones may have been caught."""
        failed: list[Json] = [step for step in steps["stageFlowNodes"] if step.get("error")]
        error = (steps.get("error") or {}).get("message")
        ended = [step for step in failed if step["error"].get("message") == error]
        return [None, *failed, *ended][-1]


def _end(raw: Json) -> int:
    end: int = raw["startTimeMillis"] + raw["durationMillis"]
    return end


def _step(step: Json, stage: Json, log: Json | None) -> Step:
    name = step["name"][:MAX_SHORT]
    function = _FUNCTIONS.get(name, "")
    command = step.get("parameterDescription")
    return made(
        Step,
        id=step["id"],
        function=function,
        name=name,
        place=[stage["name"][:MAX_SHORT]],
        command=text(command, MAX_MESSAGE) if function else "",
        log=_plain(log["text"]) if log and isinstance(log.get("text"), str) else "",
        log_is_cut=bool(log and log.get("hasMore")),
        agent=text(step.get("execNode")),
        started_at=step.get("startTimeMillis"),
        duration_ms=step.get("durationMillis"),
    )


def _plain(text: str) -> str:
    """Return the text of a step's log in wfapi, which is HTML."""
    return html.unescape(_MARKUP.sub("", text))[-65_536:]
