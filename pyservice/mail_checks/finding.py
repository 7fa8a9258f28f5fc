"""What a check finds in a mail, and where."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
"""An error keeps readers from reading or using the mail, or servers from taking it; a warning is
seen by some readers; a note is good to know."""
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
Part = Literal["html", "text", "headers", "mail"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check found, with its cure."""

    level: Level
    what: str
    """What happens, in one sentence. Findings of a check with the same sentence are one."""
    cure: str
    part: Part = "html"
    line: int | None = None
    """The line in this part as it is sent, from 1; None: it has no place."""
    column: int | None = None
    """From 1."""
    excerpt: str = ""
    """What stands there, as it is written."""
    example: str = ""
    """The first text that it is about, as readers see it; empty: it is about no text."""
    count: int = 1
    """How many places there are; the first one is named."""
    file: str | None = None
    """The template's file with the excerpt, such as `release/body.html`; None: not just one line
    has it."""
    file_line: int | None = None
    check: str = ""
    """The check's name, such as `contrast`."""

    @property
    def sentence(self) -> str:
        """What happens, with the example and with how many places there are."""
        example = f" It is about “{self.example}”." if self.example else ""
        others = f" There are {self.count} such places." if self.count > 1 else ""
        return f"{self.what}{example}{others}"

    @property
    def place(self) -> str:
        """Where it is: `release/body.html, line 3`, or `html 12:5`, or `headers`."""
        if self.file:
            return f"{self.file}, line {self.file_line}"
        if self.line is None:
            return self.part
        return f"{self.part} {self.line}:{self.column or 1}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it by name."""
        return asdict(self)


def merged(findings: list[Finding]) -> list[Finding]:
    """Return findings without repetitions, the worst first, each with its number of places."""
    kept: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        key = (finding.check, finding.level, finding.what)
        if (first := kept.get(key)) is None:
            kept[key] = finding
        else:
            kept[key] = replace(first, count=first.count + finding.count)
    return sorted(kept.values(), key=lambda finding: LEVELS.index(finding.level))
