"""Postfix' log for a service that may not read it: the lines of our own mails, and no others.

A mail log names everybody who gets mail from a node. So another process reads it and passes on the
lines about the service's mails, which it recognizes by their Message-ID.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyservice.errors import SetupError, os_reason
from pyservice.identity import report_id_of
from pyservice.postfix.log import open_log
from pyservice.postfix.log_line import Line
from pyservice.postfix.own_mails import Newest

FILE = Path("/var/lib/notify-email-log/postfix.log")
"""What the service may read."""


class LogRelay:
    """Copies lines of our own mails from Postfix' log to a file that the service may read.

    A file beside that one has how far it came, so it can be stopped at any moment.
    """

    def __init__(self, source: Path | None, out: Path = FILE, max_bytes: int = 8 * 1024**2) -> None:
        """Go on where the last process stopped or, the first time, at the log's start.

        Args:
            source: Postfix' log; None: the usual file, or the journal.
            out: the file to write, in a folder that exists.
            max_bytes: a longer file is renamed to postfix.log.1, in the place of the one before.

        Raises:
            SetupError: one of them can't be used; says why.
        """
        self._max_bytes = max_bytes
        self._out, self._state_file = out, out.with_name(f"{out.name}.state")
        if not out.parent.is_dir():
            raise SetupError(
                f"There is no folder {out.parent}. Make it, or give another file: --to."
            )
        try:
            out.touch(mode=0o640)
            state = self._read_state()
        except OSError as error:
            raise self._failed(error) from None
        self._unwritten: list[str] = []
        self._own_ids = set(state.get("queue_ids", []))
        self._clients: Newest[str] = Newest(state.get("clients", {}))
        """The lines that say from where a mail came whose Message-ID is not logged yet."""
        self._log = open_log(source, state.get("mark", {}))

    def step(self) -> int:
        """Pass on the lines since the last call, and return their number.

        Raises:
            SetupError: they can't be written; the next call tries again, and none is lost.
        """
        passed = 0
        while self._unwritten or (texts := self._log.lines()):
            if not self._unwritten:
                self._unwritten = self._select(texts)
            try:
                # First the lines, then the mark: a line may come twice, and none is left out.
                self._write("".join(f"{text}\n" for text in self._unwritten).encode())
                passed += len(self._unwritten)
                self._unwritten = []
                self._write_state()
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
                out.truncate(before)  # else the next line would be joined to half a line
                raise
        if before + len(lines) > self._max_bytes:
            self._out.replace(self._out.with_name(f"{self._out.name}.1"))
            self._out.touch(mode=0o640)

    def _select(self, texts: Iterable[str]) -> list[str]:
        """Return the lines of our own mails, and remember their queue IDs."""
        selected = []
        for text in texts:
            line = Line.parse(text)
            if line is None:
                continue
            if line.client is not None:
                self._clients[line.queue_id] = text
            elif line.message_id is not None:
                client = self._clients.pop(line.queue_id, None)
                if report_id_of(line.message_id):
                    self._own_ids.add(line.queue_id)
                    selected += [client] if client else []
            if line.queue_id in self._own_ids:
                selected.append(text)
                if line.is_end:
                    self._own_ids.remove(line.queue_id)
        return selected

    def _read_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state

    def _write_state(self) -> None:
        state = {
            "mark": self._log.mark,
            "queue_ids": sorted(self._own_ids),
            "clients": self._clients,
        }
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self._state_file)

    def _failed(self, error: OSError) -> SetupError:
        return SetupError(f"{error.filename or self._out} can't be used: {os_reason(error)}.")
