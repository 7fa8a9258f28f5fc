"""Why a build ended as it did, in one sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyservice.analysis.failing_tests import failures_sentence
from pyservice.analysis.first_error import FirstError, find_first_error
from pyservice.analysis.infrastructure import CHECKOUTS, infrastructure, is_lost, is_waiting
from pyservice.analysis.stage_rows import failing_place, stage_with_cell
from pyservice.report.error_message import first_line
from pyservice.report.facts import Warned
from pyservice.report.headline import is_timeout, stopped_by
from pyservice.report.schema import Failure, Report
from pyservice.text import one_line, shorten, span

MAX_MESSAGE = 400
"""Characters."""
MAX_STAGE = 100
"""Characters of a stage's name in a sentence."""
SHELLS = frozenset({"sh", "bat", "powershell", "pwsh"})
"""The steps that run a script."""

_VAGUE = re.compile(r"script returned exit code (?P<code>-?\d+)")
"""Jenkins' message about a command that failed: its log says more."""
_DOWNSTREAM = re.compile(r"(?P<build>[^\s#][^#]* #\d+) completed with status (?P<result>[A-Z_]+)")
_RESULTS = {
    "FAILURE": "failed",
    "UNSTABLE": "was unstable",
    "ABORTED": "was aborted",
    "NOT_BUILT": "was not built",
}
_OF_THE_SCRIPT = " for class: groovy.lang.Binding"
"""The end of Groovy's message about a name that the Jenkinsfile itself lacks."""
_NOISE = ("[Pipeline] ", "Running on ")
"""Beginnings of lines in the whole log that Jenkins prints between the steps' own."""
_QUOTES = str.maketrans("", "", "'\"\\")
_TEST_TOOLS = frozenset(
    {"ctest", "jest", "junit", "mocha", "phpunit", "pytest", "rspec", "unittest", "vitest"}
)


@dataclass(frozen=True)
class Reason:
    """Why a build ended as it did."""

    sentence: str = ""
    """It begins with the innermost stage; empty: the build passed, or the report doesn't say."""
    message: str = ""
    """The same without the stage, so that it is equal for jobs that fail for one reason."""
    command: str = ""
    """The command that failed; empty: none did, or it is not known."""
    place: tuple[str, ...] = ()
    """The stages and branches around what failed, the outermost first."""
    infrastructure: str = ""
    """What no change can have broken, such as "agent lost"; empty: nothing such."""
    error: FirstError | None = None
    """The first error in the log."""


def find_reason(report: Report, log: Sequence[str]) -> Reason:
    """Return why a build ended as it did.

    Args:
        report: as people read it.
        log: the lines that `log_lines` returns, without terminal sequences.
    """
    if report.build.result == "SUCCESS":
        return Reason()
    place = _place(report)
    error = find_first_error(log) if log else None
    message = shorten(one_line(_message(report, error)), MAX_MESSAGE)
    return Reason(
        sentence=_sentence(report, place, message),
        message=message,
        command=_command(report, error),
        place=place,
        infrastructure=infrastructure(report, error),
        error=error,
    )


def log_lines(report: Report) -> list[str]:
    """Return the lines of the log that may show why a build failed.

    They are the failing step's own; those of the whole log only if no step is known. What a build
    was doing when it was stopped is no error, and what the step `build` logs is in the reason.
    """
    build, error = report.build, report.error
    if build.result != "FAILURE" and (build.result != "UNSTABLE" or error is None):
        return []
    if downstream(report):
        return []
    if error is not None and error.step is not None:
        return error.step.log.split("\n") if error.step.log.strip() else []
    lines = "\n".join(report.log).split("\n") if report.log else []
    return [line for line in lines if not line.startswith(_NOISE)]


def last_output(report: Report) -> list[str]:
    """Return the log of the step that took too long: its end shows what the step was doing."""
    interruption, step = report.build.interruption, report.error.step if report.error else None
    is_late = interruption is not None and is_timeout(interruption) and not is_lost(report)
    return step.log.split("\n") if is_late and step and step.log.strip() else []


def downstream(report: Report) -> str:
    """Return the build that this one waited for and that did not pass; empty: none.

    Such as "shop/deploy #12".
    """
    step, interruption = report.error.step if report.error else None, report.build.interruption
    if step is None or step.function != "build" or report.error is None:
        return ""
    texts = (interruption.text if interruption else "", first_line(report.error.message))
    found = next((one for text in texts if (one := _DOWNSTREAM.match(text[:1000]))), None)
    return found["build"] if found else ""


def _sentence(report: Report, place: tuple[str, ...], message: str) -> str:
    """Return a message with what it is about before it, if it does not say that itself."""
    if not message or message == failures_sentence(report):
        return message
    if place:
        return f"{shorten(one_line(stage_with_cell(place)), MAX_STAGE)}: {message}"
    step = report.error.step if report.error else None
    return f"The Pipeline says: {message}" if step and step.function == "error" else message


def _place(report: Report) -> tuple[str, ...]:
    error = report.error
    if error is not None and error.step is not None and error.step.place:
        return tuple(error.step.place)
    if error is not None and error.stage:
        return (error.stage,)
    warning = _warning(report)
    if warning is not None and warning.place:
        return tuple(warning.place)
    return failing_place(report)


def _warning(report: Report) -> Warned | None:
    """Return the first of the worst warnings with a message, of an unstable build."""
    if report.build.result != "UNSTABLE" or (report.tests and report.tests.failed):
        return None
    said = [warning for warning in report.warnings if warning.message.strip()]
    return next((one for one in said if one.result == "FAILURE"), next(iter(said), None))


def _message(report: Report, error: FirstError | None) -> str:
    if report.build.result in {"ABORTED", "NOT_BUILT"} or is_lost(report):
        return _stopped(report)
    if report.error is not None:
        return _failed(report, report.error, error)
    warning = _warning(report)
    return failures_sentence(report) or (
        warning.message if warning else error.message if error else ""
    )


def _stopped(report: Report) -> str:
    """Return who or what stopped a build."""
    interruption = report.build.interruption
    if is_lost(report):
        agent = report.error.step.agent if report.error and report.error.step else ""
        return f"the agent {agent} was lost" if agent else "the agent was lost"
    if interruption is None:
        return first_line(report.error.message) if report.error else ""
    if downstream := _downstream(interruption.text):
        return downstream
    if is_timeout(interruption):
        after = f" after {span(interruption.after_ms)}" if interruption.after_ms else ""
        return f"no agent was free{after}" if is_waiting(report) else f"timed out{after}"
    by = stopped_by(interruption)
    if interruption.type.endswith(".Rejection"):
        return f"rejected by {by}" if by else "rejected"
    return f"aborted by {by}" if by else interruption.text


def _failed(report: Report, failure: Failure, error: FirstError | None) -> str:
    """Return what broke a build."""
    message = first_line(failure.message).removesuffix(_OF_THE_SCRIPT)
    function = failure.step.function if failure.step else ""
    if downstream := _downstream(message):
        return downstream
    vague = _VAGUE.fullmatch(message)
    if vague is None and function not in CHECKOUTS:
        return message
    if (error is None or _is_of_test(report, error)) and (tests := failures_sentence(report)):
        return tests
    if error is not None:
        return error.message
    command, label = _command(report, error), failure.step.label if failure.step else ""
    what = label or (f'"{command}"' if command else "")
    return f"{what} ended with exit code {vague['code']}" if vague and what else message


def _is_of_test(report: Report, error: FirstError) -> bool:
    """Return whether an error is that of a failing test, of which the report knows more."""
    tests = report.tests.failures[:100] if report.tests else []
    return error.tool in _TEST_TOOLS or any(
        len(test.name) > 2 and test.name in error.message for test in tests
    )


def _downstream(text: str) -> str:
    """Return a sentence about another build that failed; empty: the text is no such message."""
    found = _DOWNSTREAM.match(text[:1000])
    if found is None:
        return ""
    return f"{found['build']} {_RESULTS.get(found['result'], 'did not pass')}"


def _command(report: Report, error: FirstError | None) -> str:
    """Return the command that failed: the log's, else the step's script if it is one line.

    `sh -x` shows a command without its quotes, so a line of the script that is the same is better.
    """
    traced = (error.command if error else "") or ""
    step = report.error.step if report.error else None
    if step is None or step.function not in SHELLS:
        return traced
    lines = [line.strip() for line in step.command.split("\n") if line.strip()]
    if traced:
        plain_words = _unquoted(traced)
        return next((line for line in lines if _unquoted(line) == plain_words), traced)
    return lines[0] if len(lines) == 1 and not lines[0].startswith("exit") else ""


def _unquoted(command: str) -> str:
    return " ".join(command.translate(_QUOTES).split())
