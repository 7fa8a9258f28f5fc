"""What Jenkins' REST answers about a build, and how to read what may have any form."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pyservice.jenkins.build_files import BuildFiles
from pyservice.report.facts import Missing

Json = dict[str, Any]
_Model = TypeVar("_Model", bound=BaseModel)

MAX_SHORT = 1024
"""Characters of a name, and of each text that a report has as a `ShortText`."""

ODD = "Jenkins' answer has another form than expected"
WRONG = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What code that expects another form raises; pydantic's errors are ValueErrors."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What Jenkins answered about one build; None: nothing, or there is no such page."""

    build: Json
    """`api/json`."""
    tests: Json | None = None
    """`testReport/api/json`."""
    stages: Json | None = None
    """`wfapi/describe`."""
    steps: Json | None = None
    """`execution/node/ID/wfapi/describe` of the failed stage."""
    log: Json | None = None
    """`execution/node/ID/wfapi/log` of the failed step."""
    console: str | None = None
    """`consoleText`, or its end."""
    job: Json | None = None
    """`api/json` of the job: the builds before this one."""
    files: BuildFiles = field(default_factory=BuildFiles)
    """The files that go with the mail."""
    missing: tuple[Missing, ...] = ()
    """Which parts Jenkins did not answer, and why."""


def text(value: object, most: int = MAX_SHORT) -> str:
    """Return the beginning of a text; nothing, if it is none."""
    return value[:most] if isinstance(value, str) else ""


def actions(build: Json) -> list[Json]:
    """Return a build's actions, by the answer of `api/json`; many of them are empty."""
    return [action for action in build["actions"] if action]


def made(model: type[_Model], **members: Any) -> _Model:
    """Return a part of a report without those members of an answer that can't be used.

    Raises:
        ValueError: the part can't be without one of them.
    """
    try:
        return model(**members)
    except ValidationError as error:
        unusable = {each["loc"][0] for each in error.errors()}
        usable = {name: value for name, value in members.items() if name not in unusable}
        return model(**usable)
