"""Chooses and reads the files of a build that go with its mail: archived artifacts, and its log."""

import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pyservice.errors import SetupError
from pyservice.jenkins.errors import TooLargeError
from pyservice.patterns import compile_pattern
from pyservice.report.attachments import MAX_BYTES, MAX_FILES, Attachment, NotAttached
from pyservice.report.facts import Missing

MAX_NAMED = 40
"""Artifacts that are attached or named; the others are only counted."""
MAX_LOG = 1024 * 1024
"""Bytes of the log's end."""
MAX_PATH = 1024
"""Characters of an artifact's path."""
LOG = "build.log"

Read = Callable[[str, int], bytes]
"""Returns an artifact, by its path and the most bytes it may have. Raises a SetupError."""


@dataclass
class BuildFiles:
    """The files that go with a mail, and those that were wanted and don't."""

    attachments: list[Attachment] = field(default_factory=list)
    not_attached: list[NotAttached] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    _room: int = MAX_BYTES

    def add_log(self, log: str | None) -> None:
        """Add the end of the build's log; None: it can't be read, which is noted elsewhere."""
        if log is None:
            reason = "Jenkins does not show it"
            self.not_attached.append(NotAttached(name=LOG, is_log=True, reason=reason))
        else:
            self._add(LOG, log.encode()[-MAX_LOG:], is_log=True)

    def add_artifacts(
        self,
        patterns: Sequence[str],
        paths: Sequence[str],
        read: Read,
        why: Callable[[Exception], str],
    ) -> None:
        """Add the artifacts that Ant patterns match, in their order, as far as there is room.

        Args:
            patterns: the author's.
            paths: the build's artifacts.
            read: reads one of them.
            why: says in a reader's words why one could not be read.
        """
        chosen: dict[str, None] = {}
        usable = [path for path in paths if path.strip() and len(path) <= MAX_PATH]
        for pattern in patterns:
            matching = matched(pattern, usable)
            if not matching:
                reason = f"no archived artifact matches {pattern}"
                self.missing.append(Missing(part="attach", reason=reason))
            chosen |= dict.fromkeys(matching)
        for path in list(chosen)[:MAX_NAMED]:
            self._add_artifact(path, read, why)
        if len(chosen) > MAX_NAMED:
            reason = f"{len(chosen) - MAX_NAMED} more artifacts match"
            self.missing.append(Missing(part="attach", reason=reason))

    def _add_artifact(self, path: str, read: Read, why: Callable[[Exception], str]) -> None:
        artifacts = sum(not file.is_log for file in self.attachments)
        reason = f"at most {MAX_FILES - 1} files are attached"
        if artifacts < MAX_FILES - 1:
            try:
                self._add(path, read(path, self._room), is_log=False)
            except TooLargeError:
                reason = f"the attachments would have more than {MAX_BYTES >> 20} MiB together"
            except SetupError as error:
                reason = why(error)
            else:
                return
        self.not_attached.append(NotAttached(name=path, reason=reason))

    def _add(self, name: str, content: bytes, *, is_log: bool) -> None:
        self._room -= len(content)
        text = binascii.b2a_base64(content, newline=False).decode()
        self.attachments.append(Attachment(name=name, content=text, is_log=is_log))


def matched(pattern: str, paths: Iterable[str]) -> list[str]:
    """Return the paths that an Ant pattern matches, sorted; none that leaves its folder.

    `?` is a character of a name, `*` some of them, `**` any folders; a final slash means all that
    is below. RE2 does it: an author's pattern may be made to take long.
    """
    *folders, last = (f"{pattern}**" if pattern.endswith("/") else pattern).split("/")
    regexp = "".join("(?:[^/]+/)*" if name == "**" else f"{_name(name)}/" for name in folders)
    found = compile_pattern(f"(?s){regexp}{'.*' if last == '**' else _name(last)}")
    return sorted(path for path in paths if found.fullmatch(path) and ".." not in path.split("/"))


def _name(pattern: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(character) or re.escape(character) for character in pattern)
