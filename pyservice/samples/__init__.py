"""Recorded builds of a real Jenkins 2.516.3.

The demo, the preview and the tests use them. NAME.json is the report that a trusted library makes
of its build. A folder has the replies of Jenkins' REST about a build. Only the controller's
address, its home folder and the Git address were changed to example names; the rest is real input.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from pyservice.jenkins import build_data
from pyservice.jenkins.answers import Answers
from pyservice.jenkins.pipeline import Pipeline
from pyservice.report.schema import Mail, Report
from pyservice.report.secrets import SecretMasker

_FOLDER = files(__package__)


@cache
def names() -> tuple[str, ...]:
    """Return the samples' names in the order of their recording, reports before replies."""
    entries = [entry.name for entry in _FOLDER.iterdir() if entry.name[0].isdigit()]
    reports = [name.removesuffix(".json") for name in entries if name.endswith(".json")]
    replies = [name for name in entries if not name.endswith(".json")]
    return (*sorted(reports, key=_number), *sorted(replies, key=_number))


def _number(name: str) -> int:
    return int(name.partition("-")[0])


@cache
def load(name: str) -> Report:
    """Return the recorded build `name` as a report, with its secrets masked as the service does.

    Raises:
        KeyError: there is no such sample.
    """
    if name not in names():
        raise KeyError(name)
    file = _FOLDER / f"{name}.json"
    report = Report.parse(file.read_bytes()) if file.is_file() else _from_replies(name)
    return _masker().mask(report.model_copy(update={"mail": Mail()}))


def _from_replies(name: str) -> Report:
    build, stages = _json(name, "build.json"), _json(name, "wfapi-describe.json")
    console = (_FOLDER / name / "console.txt").read_text(encoding="utf-8")
    pipeline = Pipeline(stages, console, build["result"])
    steps = _json(name, f"wfapi-stage-{pipeline.failed_stage_id()}.json")
    return build_data.report(
        Answers(
            build=build,
            tests=_json(name, "test-report.json"),
            stages=stages,
            steps=steps,
            log=steps and _json(name, f"wfapi-log-{pipeline.failed_step_id(steps)}.json"),
            console=console,
        )
    )


@cache
def _masker() -> SecretMasker:
    return SecretMasker()


def _json(name: str, file: str) -> Any:
    path = _FOLDER / name / file
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
