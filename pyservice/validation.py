"""Explains to people which value pydantic refused, and why, without pydantic's own words."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic_core import ErrorDetails

_SIZE = "it must be a number of bytes, or one with KiB, MiB or GiB, such as 512MiB"
_DATE = "it must be a date, such as 2026-11-24"
_TIME = "it must be a time, such as 2026-11-24T12:40:03Z"

_SENTENCES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such member",
    "none_required": "it must be absent",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "it has too many digits",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "string_type": "it must be text",
    "string_unicode": "it must be text in UTF-8",
    "path_type": "it must be a path, as text",
    "list_type": "it must be a list",
    "tuple_type": "it must be a list, or text with commas between the items",
    "dict_type": "it must be an object",
    "model_type": "it must be an object",
    "model_attributes_type": "it must be an object",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "byte_size": _SIZE,
    "byte_size_unit": _SIZE,
    "literal_error": "it must be {expected}",
    "enum": "it must be {expected}",
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be at most {le}",
    "string_pattern_mismatch": "it must not be blank",  # the only pattern is one of `fields.Name`
    "string_too_long": "it must have at most {max_length} characters",
    "too_long": "it must have at most {max_length} items",
}
"""What is wrong, by pydantic's type of the error; in braces, members of its context."""


def explain(error: ErrorDetails) -> str:
    """Return what is wrong with a value, as the end of a sentence that names the value.

    The value itself is not in it: it may be a secret.
    """
    kind = error["type"]
    context = {name: _as_written(value) for name, value in error.get("ctx", {}).items()}
    if kind == "value_error":
        return str(context["error"])
    if kind in {"string_too_short", "too_short"}:
        least = context["min_length"]
        unit = "characters" if kind == "string_too_short" else "items"
        return "it must not be empty" if least == 1 else f"it must have at least {least} {unit}"
    if sentence := _SENTENCES.get(kind):
        return sentence.format_map(context)
    # A custom error has our own sentence; a type of pydantic's begins with "Input" or "Value".
    message = error["msg"]
    return "it is not valid" if message.startswith(("Input ", "Value ", "Unable ")) else message


def _as_written(value: object) -> object:
    """Return a limit as people write it: 1 for 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one is probably meant to be."""
    return next(iter(get_close_matches(name.lower(), list(known), n=1)), None)
