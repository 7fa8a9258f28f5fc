"""Takes the unusable parts out of a report, since a report is worth more than they are.

The rule: an optional member, and an entry of a list, can be left out alone. A text or a list that
is too long is cut. What is null, empty or blank is absent, and nobody needs to know. All else is
the caller's mistake: a misspelt member, an unusable member that a report can't be without, and what
the author of a Pipeline ordered wrongly.
"""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pyservice.errors import MAX_NAMED
from pyservice.validation import explain

Path = tuple[str | int, ...]

_TOO_LONG = {"too_long": "entries", "string_too_long": "characters"}
"""pydantic's errors of a list and of a text, and what is counted."""


class Repair:
    """The JSON value of a report, from which unusable parts are taken out."""

    def __init__(self, value: Any, model: type[BaseModel], ordered: str) -> None:
        """Prepare to change a value.

        Args:
            value: what the JSON says; it is changed.
            model: what it should be.
            ordered: the member in which nothing is left out except for what is absent.
        """
        self._value, self._model, self._ordered = value, model, ordered
        self._missing: list[tuple[str, str]] = []
        self._indexes: dict[int, list[int]] = {}
        """The indexes that a list's entries have in the report, by the list's `id`: each list is
        changed in place, and none is added."""

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """What was left out or cut, as (JSON pointer, sentence); the first are named."""
        more = len(self._missing) - MAX_NAMED
        last = [("", f"{more} more parts are missing")] if more > 0 else []
        return (*self._missing[:MAX_NAMED], *last)

    def mistakes(self, errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
        """Return the errors that are the caller's mistakes."""
        return [error for error in errors if self._is_mistake(error)]

    def _is_mistake(self, error: ErrorDetails) -> bool:
        path = error["loc"]
        if error["type"] == "extra_forbidden" or not (part := self._optional_part(path)):
            return True
        return path[0] == self._ordered and not (part == path and _is_absent(error["input"]))

    def apply(self, errors: Sequence[ErrorDetails]) -> None:
        """Take out the parts that have these errors, none of which is a mistake."""
        parts: dict[Path, ErrorDetails] = {}
        for error in errors:
            path = error["loc"]
            parts.setdefault(
                path if error["type"] in _TOO_LONG else self._optional_part(path), error
            )
        outermost = [
            (part, error)
            for part, error in parts.items()
            if not any(part[:depth] in parts for depth in range(1, len(part)))
        ]
        for part, error in outermost:
            self._note(part, error)
        # From the last to the first, so that the index of each is still its own.
        for part, error in reversed(outermost):
            if error["type"] in _TOO_LONG:
                self._cut(part, error)
            else:
                self._take_out(
                    part, is_text=error["loc"] == part and error["type"] == "string_type"
                )

    def _note(self, part: Path, error: ErrorDetails) -> None:
        value = self._find(part)
        if _is_absent(value):
            return
        if error["type"] in _TOO_LONG:
            unit, most = _TOO_LONG[error["type"]], error["ctx"]["max_length"]
            reason = f"it has {len(value)} {unit}, and {most} are kept"
        else:
            inner = pointer(error["loc"][len(part) :])
            reason = f"{inner}: {explain(error)}" if inner else explain(error)
        self._missing.append((pointer(self._path_in_report(part)), reason))

    def _cut(self, part: Path, error: ErrorDetails) -> None:
        place, last, most = self._find(part[:-1]), part[-1], error["ctx"]["max_length"]
        if error["type"] == "too_long":
            entries = place[last]
            if isinstance(entries, dict):
                place[last] = dict(list(entries.items())[:most])
                return
            # The end of a log says what went wrong.
            surplus = slice(len(entries) - most) if last == "log" else slice(most, None)
            indexes = self._own_indexes(entries)
            del entries[surplus], indexes[surplus]
        elif isinstance(place, list):  # of texts
            place[:] = [text[:most] if isinstance(text, str) else text for text in place]
        else:
            place[last] = place[last][-most:] if last == "log" else place[last][:most]

    def _take_out(self, part: Path, *, is_text: bool) -> None:
        place, last = self._find(part[:-1]), part[-1]
        if isinstance(place, dict):
            del place[last]
            return
        unusable = {int(last)}
        if is_text:  # the errors of a list of texts end with the first
            is_null = place[last] is None
            unusable = {
                index
                for index, entry in enumerate(place)
                if entry is None or not (is_null or isinstance(entry, str))
            }
        # All at once: each deletion would move the rest of the list.
        for entries in (place, self._own_indexes(place)):
            entries[:] = [entry for index, entry in enumerate(entries) if index not in unusable]

    def _own_indexes(self, entries: list[Any]) -> list[int]:
        """Return the indexes of a list's entries in the report, to change them with the list."""
        return self._indexes.setdefault(id(entries), list(range(len(entries))))

    def _find(self, path: Path) -> Any:
        """Return the value at a path."""
        value = self._value
        for step in path:
            value = value[step]
        return value

    def _path_in_report(self, path: Path) -> Path:
        """Return a path with the indexes that its entries had before others were taken out."""
        steps: list[str | int] = []
        value = self._value
        for step in path:
            indexes = self._indexes.get(id(value))
            steps.append(step if indexes is None or isinstance(step, str) else indexes[step])
            value = value[step]
        return tuple(steps)

    def _optional_part(self, path: Path) -> Path:
        """Return the innermost part on a path that can be left out; empty: there is none."""
        part, model = 0, self._model
        for depth, step in enumerate(path, 1):
            if isinstance(step, str):
                field = model.model_fields.get(step)
                if field is None:
                    break
                model = next(_models(field.annotation), BaseModel)
                if field.is_required():
                    continue
            part = depth
        return path[:part]


def pointer(path: Path) -> str:
    """Return a path as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type such as `list[Stage]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
