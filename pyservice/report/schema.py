"""The format of a report: the JSON body of `POST /v1/reports`, schema 1.

The Groovy step writes it; tests/contract has examples that both sides are tested against. Every
text comes from a build and is untrusted: escape it before it goes into a header, a page or a log
line.
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
    """Return a link unchanged, as Jenkins' links are percent-encoded already; refuse others."""
    scheme, separator, rest = value.partition("://")
    if scheme.lower() not in {"http", "https"} or not separator or rest[:1] in {"", "/", "?", "#"}:
        raise ValueError("only http and https links are allowed")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("a link has no spaces or control characters; percent-encode them")
    return value


def _plain_data(value: JsonValue, *path: str | int) -> JsonValue:
    """Return data unchanged; refuse what a template can't print or a JSON reader can't keep."""
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
    """Return a ValueError that names a place within the member that is validated."""
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
# An error names the first wrong text of a list only: a body may have 500,000.
Texts = Annotated[list[Text], Field(max_length=1000, fail_fast=True)]
Lines = Annotated[list[Text], Field(max_length=5000, fail_fast=True)]
# One text may hold several addresses, separated by commas: policy/recipients.py splits them.
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
    """The build, as `currentBuild` describes it."""

    job: Name
    """`currentBuild.fullProjectName`, folders separated by slashes."""
    number: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    result: Result
    started_at: Milliseconds
    """Milliseconds since 1970-01-01 UTC."""
    duration_ms: Milliseconds | None = None
    """The duration so far: the build still runs while it reports."""
    display_name: Name | None = None
    full_display_name: Name | None = None
    url: Url | None = None
    """The build's page; None: the controller has no Jenkins URL."""
    previous_result: Result | None = None
    """The result of the build before; None: this is the first."""
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
    """How many commits there are; `items` may have fewer."""
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
    """The counts of all test cases, and the cases that fail."""

    total: Count
    failed: Count
    skipped: Count = 0
    failures: Annotated[list[FailedTest], Field(max_length=1000)] = []

    @property
    def passed(self) -> int:
        """Return how many cases neither failed nor were skipped."""
        return max(0, self.total - self.failed - self.skipped)


class Stage(_Part):
    """One stage of the Pipeline; a stage that was skipped is NOT_BUILT."""

    name: Name
    status: Literal[Result, "IN_PROGRESS", "PAUSED"]
    duration_ms: Milliseconds | None = None


class Mail(_Part):
    """The mail that the Pipeline's author wants."""

    to: Addresses | None = None
    """The recipients; None or empty: the service's default."""
    cc: Addresses | None = None
    bcc: Addresses | None = None
    reply_to: Addresses | None = None
    subject: Annotated[str, Field(max_length=4096)] | None = None
    template: Name = "build"
    data: Annotated[dict[str, JsonValue], AfterValidator(_plain_data)] = {}


class Report(_Part):
    """The report of one build."""

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
        """Return the report in a request's body.

        Unknown members are an error in this schema, as they are spelling mistakes. In a later
        schema they are ignored, so that a newer library works with this service.

        Raises:
            MalformedError: it is not JSON.
            InvalidError: it is, but not a report; names each member that is wrong.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            pass  # parsed again below, more slowly, to name the errors or ignore newer members
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise MalformedError(f"The body is not JSON: {error}.") from None
        schema = value.get("schema") if isinstance(value, dict) else None
        is_newer = isinstance(schema, int) and schema > SCHEMA
        try:
            return cls.model_validate(value, extra="ignore" if is_newer else "forbid")
        except ValidationError as error:
            raise InvalidError(errors=tuple(map(_pointer_and_sentence, error.errors()))) from None

    def content_hash(self) -> str:
        """Return the report's hash, SHA-256 in hex: equal for a repeated call.

        It leaves out the duration, since a repeated call is later, and defaults, so that a member
        that a later version adds does not change the hash of old reports. It has the start time,
        so that build 1 of a job that was deleted and created again is another report.
        """
        value = self.model_dump_json(exclude_defaults=True, exclude={"build": {"duration_ms"}})
        return hashlib.sha256(value.encode()).hexdigest()


def _pointer_and_sentence(error: ErrorDetails) -> tuple[str, str]:
    """Return an error of pydantic as (JSON pointer, sentence), without the value."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error["loc"])
    sentence = str(error["msg"]).removeprefix("Value error, ")
    return "".join(f"/{step}" for step in steps), sentence[:1].lower() + sentence[1:]
