"""A report's texts as people read them: terminal sequences obeyed, blank texts left out."""

import re
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

from pydantic import BaseModel

from pyservice.report.fields import UNKNOWN
from pyservice.report.schema import Cause, Failure, Report
from pyservice.terminal import plain

NO_MESSAGE = "no message"

_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")

_Value = TypeVar("_Value")
_Model = TypeVar("_Model", bound=BaseModel)


def readable(report: Report) -> Report:
    """Return a report as people read it. Links, the API and List-Id have it as it was sent."""
    report = _without_blanks(plain_texts(report.without_files()))
    build = report.build
    named = {"job": job_name(build.job), "causes": [_readable_cause(one) for one in build.causes]}
    return report.model_copy(update={"build": build.model_copy(update=named)})


def job_name(job: str) -> str:
    """Return a job's full name as people write it: `wallet/feature/login-page`.

    Jenkins percent-encodes a branch's name in it. It is decoded once. What would not be a character
    that can be printed, such as a line end, stays encoded.
    """
    return _ENCODED.sub(_decode, plain(job))


def plain_texts(value: _Value) -> _Value:
    """Return a report, or a part of one, with all its texts as `terminal.plain` returns them."""
    new: Any = value
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        new = plain(value)
    elif isinstance(value, dict):
        new = {plain(name): plain_texts(item) for name, item in value.items()}
    elif isinstance(value, list):
        new = [plain_texts(item) for item in value]
    elif isinstance(value, BaseModel):
        # Most texts are plain, and a copy of a model takes longer than a comparison.
        changed = {
            name: item for name, old in vars(value).items() if (item := plain_texts(old)) != old
        }
        new = value.model_copy(update=changed) if changed else value
    return new  # type: ignore[no-any-return]


def _without_blanks(report: Report) -> Report:
    """Return a report without optional texts that show nothing, and with words for the others.

    A mail would have a label or a box for them, and nothing in it.
    """
    build, tests, changes = report.build, report.tests, report.changes
    new: dict[str, Any] = {
        "build": _with(
            build,
            full_display_name=_shown(build.full_display_name),
            description=_shown(build.description),
            causes=[cause for cause in build.causes if _shown(cause.text)],
        ),
        "error": report.error and _readable_failure(report.error),
        "stages": [_with(stage, name=_shown(stage.name) or UNKNOWN) for stage in report.stages],
        "log": _without_blank_ends(report.log),
        "changes": _with(
            changes,
            items=[
                _with(change, message=_shown(change.message) or NO_MESSAGE)
                for change in changes.items
            ],
        ),
        "tests": tests
        and _with(
            tests,
            failures=[
                _with(test, name=_shown(test.name) or UNKNOWN, message=_shown(test.message))
                for test in tests.failures
            ],
        ),
    }
    return _with(report, **new)


def _with(part: _Model, **members: object) -> _Model:
    """Return a part of a report with these members; the part itself if none is another."""
    changed = {name: new for name, new in members.items() if new != getattr(part, name)}
    return part.model_copy(update=changed) if changed else part


def _shown(text: str | None) -> str | None:
    """Return a text; None if it shows nothing."""
    return text if text and text.strip() else None


def _readable_failure(error: Failure) -> Failure | None:
    stage = _shown(error.stage)
    message = _shown(error.message) or _shown(error.type) or (NO_MESSAGE if stage else None)
    return _with(error, stage=stage, message=message) if message else None


def _without_blank_ends(lines: list[str]) -> list[str]:
    shown = [number for number, line in enumerate(lines) if _shown(line)]
    return lines[shown[0] : shown[-1] + 1] if shown else []


def _decode(match: re.Match[str]) -> str:
    text = unquote_to_bytes(match[0]).decode("utf-8", "surrogateescape")
    return "".join(
        character if character.isprintable() else quote(character, errors="surrogateescape")
        for character in text
    )


def _readable_cause(cause: Cause) -> Cause:
    """Return a cause; if it is another build, its text names that one's job."""
    if not cause.type.endswith("UpstreamCause"):
        return cause
    return cause.model_copy(update={"text": job_name(cause.text)})
