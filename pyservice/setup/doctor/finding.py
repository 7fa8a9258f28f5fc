"""A finding of the doctor, and how the catalogue writes one down."""

import re
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pyservice.postfix.commands import for_instance
from pyservice.setup.doctor.smtp_session import printable

Severity = Literal["error", "note"]
"""An error keeps mail from going out, or lets strangers send; a note is good to know."""
Place = Literal["node", "anywhere"]
"""Where to run a cure: in a shell of the node, as root, or wherever `notify-email` is."""

COMMAND = "notify-email "
"""The beginning of a cure that `doctor --fix` can run."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its cure."""

    id: str
    severity: Severity
    sentence: str
    cure: str
    """A command line; capitals in it stand for what only the reader knows."""
    place: Place = "node"

    @property
    def is_error(self) -> bool:
        """Whether mail can't go out, or strangers' mail can."""
        return self.severity == "error"

    @property
    def command(self) -> list[str] | None:
        """The words of a cure that is a command of ours and can be run as it stands, else None."""
        words = shlex.split(self.cure)
        is_whole = not any(re.fullmatch(r"[A-Z]+(@[A-Z]+)?|\$\(.*", word) for word in words)
        return words[1:] if self.cure.startswith(COMMAND) and is_whole else None

    def as_json(self) -> dict[str, Any]:
        """Return `{id, severity, sentence, cure, place}`."""
        return asdict(self)

    def as_note(self) -> "Finding":
        """Return the same finding as a note, where it does no harm."""
        return replace(self, severity="note")

    def on_instance(self, config_dir: Path | None) -> "Finding":
        """Return the finding with a cure for the Postfix in that folder; None: the usual one."""
        if config_dir is None:
            return self
        folder = shlex.quote(str(config_dir))
        cure = for_instance(self.cure, config_dir)
        ours = r"\bnotify-email doctor(?! --print-script)"
        cure = re.sub(ours, rf"\g<0> --config-dir {folder}", cure)
        return replace(
            self, cure=cure.replace("systemctl start postfix", f"postfix -c {folder} start")
        )

    def at_jenkins(self, words: list[str]) -> "Finding":
        """Return the finding with a cure for the Jenkins that these options name."""
        apply = shlex.join(["notify-email", "jenkins", "apply", *words])
        return replace(self, cure=self.cure.replace("notify-email jenkins apply", apply))


@dataclass(frozen=True)
class Known:
    """One entry of the catalogue; sentence and cure have fields for `str.format`."""

    id: str
    severity: Severity
    sentence: str
    cure: str
    place: Place = "node"

    def finding(self, **values: object) -> Finding:
        """Return it with its fields filled in; in the cure each value is one word to a shell.

        Many values are a server's or a log's own words, so the sentence has the first 500
        characters of them, and none that a terminal would obey.
        """
        shown = {name: printable(str(value))[:500] for name, value in values.items()}
        quoted = {name: shlex.quote(str(value)) for name, value in values.items()}
        sentence, cure = self.sentence.format(**shown), self.cure.format(**quoted)
        return Finding(self.id, self.severity, sentence, cure, self.place)
