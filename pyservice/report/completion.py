"""Adds to a report what its sender could not see of the build: a pure function."""

from typing import TypeVar

from pydantic import BaseModel

from pyservice.report.attachments import MAX_FILES
from pyservice.report.breakage import ENDED_BADLY
from pyservice.report.facts import Missing, Warned
from pyservice.report.schema import Changes, Failure, Report

BUILD = "build"
"""The part that is missing if nothing is known."""
MAX_BYTES = 900 * 1024
"""Of a completed report without its attachments, as JSON."""

_Part = TypeVar("_Part", bound=BaseModel)
_EMPTY: tuple[object, ...] = (None, "", [], {})


def completed(report: Report, known: Report) -> Report:
    """Return a report with what is known of its build. What the report says itself stays.

    Args:
        report: the sender's.
        known: the same build, as somebody else sees it.
    """
    is_bad = report.build.result in ENDED_BADLY
    whole = report.model_copy(
        update={
            "build": _filled(report.build, known.build),
            "changes": _changes(report.changes, known.changes),
            "error": _error(report.error, known.error if is_bad else None),
            "tests": report.tests or known.tests,
            "stages": report.stages or known.stages,
            "warnings": report.warnings or ([] if is_bad else _warnings(known.error)),
            "artifacts": report.artifacts or known.artifacts,
            "log": report.log or (known.log if is_bad else []),
            "missing": [*report.missing, *known.missing][:100],
            "complete": True,
            "attachments": [*report.attachments, *known.attachments][:MAX_FILES],
            "not_attached": [*report.not_attached, *known.not_attached][: 2 * MAX_FILES],
        }
    )
    return _cut(whole)


def without(report: Report, reason: str) -> Report:
    """Return a report that can't be completed, with the reason."""
    missing = [*report.missing, Missing(part=BUILD, reason=reason)]
    return report.model_copy(update={"missing": missing[:100], "complete": True})


def _filled(part: _Part, known: _Part) -> _Part:
    """Return a part of a report whose empty members are those of another one."""
    new = {
        name: other
        for name, value in part
        if value in _EMPTY and (other := getattr(known, name)) not in _EMPTY
    }
    return part.model_copy(update=new) if new else part


def _changes(own: Changes, known: Changes) -> Changes:
    if not own.items:
        return known if known.items else own
    by_id = {change.id: change for change in known.items}
    items = [_filled(change, by_id.get(change.id, change)) for change in own.items]
    return own.model_copy(update={"items": items})


def _error(own: Failure | None, known: Failure | None) -> Failure | None:
    return _filled(own, known) if own and known else own or known


def _warnings(caught: Failure | None) -> list[Warned]:
    """Return the error of a stage in a build that it did not break."""
    if caught is None:
        return []
    place = [caught.stage] if caught.stage else []
    return [Warned(message=caught.message, result="FAILURE", place=place)]


def _cut(report: Report) -> Report:
    """Return a report of at most MAX_BYTES, without what is largest and matters least."""
    for part in ("log", "tests", "changes"):
        if len(report.model_dump_json(exclude={"attachments"})) <= MAX_BYTES:
            break
        missing = [*report.missing, Missing(part=part, reason="the report would be too large")]
        report = report.model_copy(update={part: _less(report, part), "missing": missing})
    return report


def _less(report: Report, part: str) -> object:
    if part == "log":
        return []
    if part == "tests" and report.tests:
        return report.tests.model_copy(update={"failures": report.tests.failures[:20]})
    items = [
        change.model_copy(update={"paths": [], "files": []}) for change in report.changes.items
    ]
    return report.changes.model_copy(update={"items": items}) if part == "changes" else None
