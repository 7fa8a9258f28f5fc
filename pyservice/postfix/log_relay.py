"""Postfix' log for a service that may not read it: the lines of our own mails, and no others.

A mail log names everybody who gets mail from a node. So a process of its own reads it and passes on
what is about the service's mails, which it knows by their Message-ID.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyservice.errors import SetupError, said
from pyservice.identity import report_id_of
from pyservice.postfix.log import Line, opened

FILE = Path("/var/lib/notify-email-log/postfix.log")
"""What the service may read."""
MAX_BYTES = 8 << 20
"""The file is renamed to postfix.log.1 when it is longer, and the one before that is gone."""


class LogRelay:
    """Passes on; how far it came is in a file beside, so that it can be stopped at any moment."""

    def __init__(self, source: Path | None, out: Path = FILE) -> None:
        """Go on where the last one was or, the first time, at the log's start.

        Args:
            source: Postfix' log; None: the usual file, or the journal.
            out: what is written; its folder is there.

        Raises:
            SetupError: either can't be used; names the cure.
        """
        self._out, self._state_file = out, out.with_name(f"{out.name}.state")
        try:
            out.touch(mode=0o640)
            state = self._state()
        except OSError as error:
            raise self._failed(error) from None
        self._unwritten: list[str] = []
        self._own = set(state.get("queue_ids", []))
        self._log = opened(source, state.get("mark", {}))

    def step(self) -> int:
        """Pass on what came since; how many lines.

        Raises:
            SetupError: it can't be written; nothing is lost, try again.
        """
        passed = 0
        while self._unwritten or (texts := self._log.lines()):
            if not self._unwritten:
                self._unwritten = self._select(texts)
            try:
                # First the lines, then how far: a line may come twice, and none is left out.
                self._write("".join(f"{text}\n" for text in self._unwritten).encode())
                passed += len(self._unwritten)
                self._unwritten = []
                self._keep_state()
            except OSError as error:
                raise self._failed(error) from None
        return passed

    def _write(self, lines: bytes) -> None:
        with self._out.open("ab", buffering=0) as out:
            before, rest = out.tell(), lines
            try:
                while rest:
                    rest = rest[out.write(rest) :]
            except OSError:
                out.truncate(before)  # no half line, to which the next one would be joined
                raise
        if before + len(lines) > MAX_BYTES:
            self._out.replace(self._out.with_name(f"{self._out.name}.1"))
            self._out.touch(mode=0o640)

    def _select(self, texts: Iterable[str]) -> list[str]:
        selected = []
        for text in texts:
            line = Line.of(text)
            if line is None:
                continue
            if line.message_id and report_id_of(line.message_id):
                self._own.add(line.queue_id)
            if line.queue_id in self._own:
                selected.append(text)
                if line.is_end:
                    self._own.remove(line.queue_id)
        return selected

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state

    def _keep_state(self) -> None:
        state = {"mark": self._log.mark, "queue_ids": sorted(self._own)}
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self._state_file)

    def _failed(self, error: OSError) -> SetupError:
        return SetupError(f"{error.filename or self._out} can't be used: {said(error)}.")
