"""What would be changed, as a value: shown to a person, as JSON, or applied.

Making a plan reads and never writes. A plan without changes is in sync.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pyservice.text import counted


@dataclass(frozen=True)
class Change:
    """One thing that differs from what it should be."""

    what: str
    """Its name, as its own tools know it: `inet_interfaces`."""
    before: str | None
    """None: the value is not set."""
    after: str | None
    """None: the value will be removed."""
    why: str
    """One sentence."""


@dataclass(frozen=True)
class Plan:
    """All the changes to one place, in the order in which they are made."""

    place: str
    """The thing that is changed: `Postfix in /etc/postfix`."""
    changes: tuple[Change, ...] = ()
    effects: tuple[str, ...] = ()
    """What applying the plan also does: `restarts Postfix`."""
    notes: tuple[str, ...] = ()
    """What the reader should know, whether there are changes or not."""
    faults: tuple[str, ...] = ()
    """What is wrong and only a person may change, with the cure; until then nothing is applied."""

    @property
    def in_sync(self) -> bool:
        """Whether all is as it should be."""
        return not self.changes and not self.faults

    def as_text(self) -> str:
        """Return the plan as a diff for a person to read."""
        return "\n".join(self._lines()) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the fields and `in_sync`; changes are `[{what, before, after, why}]`."""
        return asdict(self) | {"in_sync": self.in_sync}

    def _lines(self) -> Iterable[str]:
        yield f"{self.place}: " + (" and ".join(self._counts()) or "in sync") + "."
        for change in self.changes:
            yield ""
            yield f"  {change.what}"
            yield f"      {change.why}"
            if change.before is not None:
                yield f"    - {change.before}"
            if change.after is not None:
                yield f"    + {change.after}"
        effects = self.effects if self.changes else ()
        for heading, sentences in (
            ("Fault", self.faults),
            ("Applying it", effects),
            ("Note", self.notes),
        ):
            if sentences:
                yield ""
                yield from (f"  {heading}: {sentence}" for sentence in sentences)

    def _counts(self) -> Iterable[str]:
        for count, noun, verb in (
            (len(self.changes), "change", "make"),
            (len(self.faults), "fault", "mend by hand"),
        ):
            if count:
                yield f"{counted(count, noun)} to {verb}"
