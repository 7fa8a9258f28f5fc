"""The types of a report's members: texts, names, numbers, links and lists, with their limits."""

import math
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic_core import PydanticCustomError

MAX_DATA_DEPTH = 10
MAX_URL = 8192
"""Characters. A job of 500 CJK characters, percent-encoded, has a link of some 4,500."""
UNKNOWN = "?"
"""The name of what has none: Jenkins lets people leave it out."""
MAX_SAFE_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly (RFC 8259, section 6)

Result = Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]


def _http_url(value: str) -> str:
    """Return a link unchanged, as Jenkins' links are percent-encoded already; refuse others."""
    if len(value) > MAX_URL:
        raise ValueError(f"a link has at most {MAX_URL} characters")
    scheme, separator, rest = value.partition("://")
    if scheme.lower() not in {"http", "https"} or not separator or rest[:1] in {"", "/", "?", "#"}:
        raise ValueError("only http and https links are allowed")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("a link has no spaces or control characters; percent-encode them")
    return value


def plain_data(value: JsonValue, *path: str | int) -> JsonValue:
    """Return data unchanged; refuse what a template can't print or a JSON reader can't keep."""
    if len(path) == MAX_DATA_DEPTH:
        raise _refusal(f"at most {MAX_DATA_DEPTH} levels deep", path)
    if isinstance(value, dict):
        for name, inner in value.items():
            plain_data(inner, *path, name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            plain_data(inner, *path, index)
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


Name = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"\S")]
Text = Annotated[str, Field(max_length=65_536)]
Url = Annotated[str, AfterValidator(_http_url)]
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


class Part(BaseModel):
    """A part of a report; it can't be changed, and is what the JSON says exactly."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)
