"""The wire contract: what a build reports of itself (`POST /v1/reports`), schema 1.

The Groovy step produces it, tests/contract holds examples that both sides are tested against.
Every text is free text from a build and untrusted; nothing here is safe to put into a header, a
page or a log line as it stands.
"""

import hashlib
import math
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from pyservice.errors import InvalidError, MalformedError

SCHEMA = 1
MAX_DATA_DEPTH = 10
MAX_SAFE_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly (RFC 8259, section 6)

Result = Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]


def _http_url(value: str) -> str:
    """Keep `value` as it was written: Jenkins' own links are already percent-encoded."""
    scheme, separator, rest = value.partition("://")
    if scheme.lower() not in {"http", "https"} or not separator or rest[:1] in {"", "/", "?", "#"}:
        raise ValueError("only http and https links are allowed")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("a link has no spaces or control characters; percent-encode them")
    return value


def _plain_data(value: JsonValue, *path: str | int) -> JsonValue:
    """Refuse what a template could not print or a JSON reader could not keep."""
    if len(path) == MAX_DATA_DEPTH:
        raise _refusal(f"at most {MAX_DATA_DEPTH} levels deep", path)
    if isinstance(value, dict):
        for name, inner in value.items():
            _plain_data(inner, *path, name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _plain_data(inner, *path, index)
    elif isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        raise _refusal("whole numbers are at most 2^53; send longer ones as text", path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _refusal("a number is at most 1.8e308", path)  # JSON's 1e400 is read as infinity
    return value


def _refusal(sentence: str, path: tuple[str | int, ...]) -> ValidationError:
    """A ValueError that names a place within the member that is validated."""
    error = PydanticCustomError("data", sentence)
    return ValidationError.from_exception_data(
        "data", [{"type": error, "loc": path, "input": None}]
    )


Name = Annotated[str, Field(min_length=1, max_length=1024)]
Text = Annotated[str, Field(max_length=65_536)]
# A job of 500 CJK characters, percent-encoded, has a link of some 4,500.
Url = Annotated[str, Field(max_length=8192), AfterValidator(_http_url)]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
# The last millisecond that datetime can show, 9999-12-31.
Milliseconds = Annotated[int, Field(ge=0, le=253_402_300_799_999)]
# Of a list of texts the first wrong one is named: a body has room for 500,000.
Texts = Annotated[list[Text], Field(max_length=1000, fail_fast=True)]
Lines = Annotated[list[Text], Field(max_length=5000, fail_fast=True)]
# One text may hold several addresses, separated by commas: recipients.py takes them apart.
Addresses = Annotated[
    Texts,
    BeforeValidator(
        lambda value: [value] if isinstance(value, str) else value,
        json_schema_input_type=Texts | Text,
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)


class Cause(_Part):
    """Why the build ran: an entry of `currentBuild.getBuildCauses()`."""

    type: Name
    """The cause's Java class, for example `hudson.model.Cause$UserIdCause`."""
    text: Text


class Build(_Part):
    """The build itself, as `currentBuild` tells it."""

    job: Name
    """`currentBuild.fullProjectName`, folders separated by slashes."""
    number: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    result: Result
    started_at: Milliseconds
    """Milliseconds since 1970-01-01 UTC."""
    duration_ms: Milliseconds | None = None
    """So far: the build still runs while it reports."""
    display_name: Name | None = None
    full_display_name: Name | None = None
    url: Url | None = None
    """None on a controller that has no Jenkins URL."""
    previous_result: Result | None = None
    """Of the build before this one; None for the first."""
    description: Text | None = None
    causes: Annotated[list[Cause], Field(max_length=100)] = []


class Change(_Part):
    """One commit."""

    id: Name
    message: Text
    author: Annotated[str, Field(max_length=1024)]
    author_id: Annotated[str, Field(max_length=1024)] | None = None
    at: Milliseconds | None = None
    paths: Texts = []


class Changes(_Part):
    """The commits that are new in this build."""

    total: Count
    """How many there are; `items` may be fewer."""
    items: Annotated[list[Change], Field(max_length=1000)] = []


class Failure(_Part):
    """What broke the build."""

    message: Text
    type: Name | None = None
    """The exception's Java class."""
    stage: Name | None = None


class FailedTest(_Part):
    """One failing test case."""

    name: Name
    class_name: Annotated[str, Field(max_length=1024)] = ""
    message: Text | None = None
    stack_trace: Text | None = None
    age: Count = 1
    """For how many builds it has been failing; 1 is a regression."""


class Tests(_Part):
    """The counts of all test cases, and those that fail."""

    total: Count
    failed: Count
    skipped: Count = 0
    failures: Annotated[list[FailedTest], Field(max_length=1000)] = []

    @property
    def passed(self) -> int:
        """How many cases neither failed nor were skipped."""
        return max(0, self.total - self.failed - self.skipped)


class Stage(_Part):
    """One stage of the Pipeline; a stage that was skipped is NOT_BUILT."""

    name: Name
    status: Literal[Result, "IN_PROGRESS", "PAUSED"]
    duration_ms: Milliseconds | None = None


class Mail(_Part):
    """What the author of the Pipeline asked for."""

    to: Addresses | None = None
    """None or empty: the service's own default."""
    cc: Addresses | None = None
    bcc: Addresses | None = None
    reply_to: Addresses | None = None
    subject: Annotated[str, Field(max_length=4096)] | None = None
    template: Name = "build"
    data: Annotated[dict[str, JsonValue], AfterValidator(_plain_data)] = {}


class Report(_Part):
    """One build's report."""

    version: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER, alias="schema")] = SCHEMA
    build: Build
    changes: Changes = Changes(total=0)
    error: Failure | None = None
    tests: Tests | None = None
    stages: Annotated[list[Stage], Field(max_length=1000)] = []
    log: Lines = []
    mail: Mail = Mail()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request's body.

        Members that are not known are refused within our own schema, where they are a spelling
        mistake, and passed over in a later one, so that a newer library works with this service.

        Raises:
            MalformedError: it is not JSON.
            InvalidError: it is, but not a report; names each member that is wrong.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            pass  # more slowly, to say what is wrong, or to pass over what is newer
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise MalformedError(f"The body is not JSON: {error}.") from None
        schema = value.get("schema") if isinstance(value, dict) else None
        newer = isinstance(schema, int) and schema > SCHEMA
        try:
            return cls.model_validate(value, extra="ignore" if newer else "forbid")
        except ValidationError as error:
            raise InvalidError(errors=tuple(map(_told, error.errors()))) from None

    def digest(self) -> str:
        """The report's identity, SHA-256 in hex: equal for a call that is merely repeated.

        The duration is left out, since a repeated call is later; the start time stays in, so
        that build 1 of a job that was deleted and made again is another one. So are defaults,
        since a member that a later version adds must not make old reports new ones.
        """
        value = self.model_dump_json(exclude_defaults=True, exclude={"build": {"duration_ms"}})
        return hashlib.sha256(value.encode()).hexdigest()


def _told(error: ErrorDetails) -> tuple[str, str]:
    """One of pydantic's errors as (JSON pointer, sentence), without the value that was sent."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error["loc"])
    sentence = str(error["msg"]).removeprefix("Value error, ")
    return "".join(f"/{step}" for step in steps), sentence[:1].lower() + sentence[1:]
