"""What would be changed, as a value: shown to a person, as JSON, or applied.

Making a plan reads and never writes. A plan without changes is in sync.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


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

    @property
    def in_sync(self) -> bool:
        """Whether there is nothing to change."""
        return not self.changes

    def as_text(self) -> str:
        """Return the plan as a diff for a person to read."""
        return "\n".join(self._lines()) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return `{place, in_sync, changes: [{what, before, after, why}], effects, notes}`."""
        return asdict(self) | {"in_sync": self.in_sync}

    def _lines(self) -> Iterable[str]:
        yield f"{self.place}: " + (
            "in sync." if self.in_sync else _count_changes(len(self.changes))
        )
        for change in self.changes:
            yield ""
            yield f"  {change.what}"
            yield f"      {change.why}"
            if change.before is not None:
                yield f"    - {change.before}"
            if change.after is not None:
                yield f"    + {change.after}"
        effects = () if self.in_sync else self.effects
        for heading, sentences in (("Applying it", effects), ("Note", self.notes)):
            if sentences:
                yield ""
                yield from (f"  {heading}: {sentence}" for sentence in sentences)


def _count_changes(changes: int) -> str:
    return f"{changes} change{'s' if changes > 1 else ''} to make."
