"""What was there before, so that a failure and `relay revert` can bring it back.

All of it lies in `notify-email` within the instance's configuration directory, root's alone, on the
same file system: to go back is to rename, which a full disk allows.

    before/       main.cf and master.cf as the first apply found them; kept until `relay revert`
    previous/     as this apply found them; only while it is at work
    record.json   what all the applies have changed: value before the first, value after the last
"""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from pyservice.errors import SetupError
from pyservice.setup.relay.changes import Draft

NAMES = ("main.cf", "master.cf")

_COMPILED = (".db", ".lmdb")
"""What postmap makes of a table, beside it; it holds the same secret."""


@dataclass
class Entry:
    """One thing that was changed; None: it is not there."""

    before: str | None
    after: str | None


@dataclass
class Record:
    """What all applies have changed, by name."""

    parameters: dict[str, Entry] = field(default_factory=dict)
    services: dict[str, Entry] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    """Content before the first apply; never a secret, since those files are ours."""
    left: dict[str, str] = field(default_factory=dict)
    """Digests of main.cf and master.cf as the last apply left them."""
    is_shared: bool = False
    """Somebody else changed those two between two applies: their copies would undo that as well."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its JSON."""
        values: dict[str, Any] = json.loads(text)
        for kind in ("parameters", "services"):
            values[kind] = {name: Entry(**entry) for name, entry in values[kind].items()}
        return cls(**values)

    def add(self, draft: Draft, written: dict[str, str], services: dict[str, str]) -> None:
        """What a draft is about to change."""
        for known, steps, now in (
            (self.parameters, draft.parameters, written),
            (self.services, draft.services, services),
        ):
            for name, after in steps.items():
                known.setdefault(name, Entry(now.get(name), after)).after = after


class Backup:
    """One instance's."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet.

        Args:
            folder: the instance's configuration directory.
        """
        self.place = folder / "notify-email"
        self._folder = folder
        self._old_record: str | None = None
        self._old_files: dict[Path, str | None] = {}
        self._modes: dict[Path, int] = {}

    def record(self) -> Record | None:
        """What was changed so far; None: nothing, or others may not read it.

        Raises:
            SetupError: it can't be understood.
        """
        text = content(self.place / "record.json")
        try:
            return Record.parse(text) if text else None
        except (ValueError, TypeError, KeyError):
            raise SetupError(
                f"{self.place}/record.json is damaged: compare {self.place}/before with "
                f"{self._folder} by hand, then remove {self.place}."
            ) from None

    def take(self, draft: Draft, written: dict[str, str], services: dict[str, str]) -> None:
        """Keep what is there, before a draft is carried out.

        Raises:
            OSError: it can't be kept; nothing was changed.
        """
        self._old_record = content(self.place / "record.json")
        self._old_files = {file.path: content(file.path) for file in draft.files}
        self._modes = {file.path: file.mode for file in draft.files}
        record = self.record() or Record(left=self._digests())
        record.is_shared |= record.left != self._digests()
        try:
            self.place.mkdir(mode=0o700, exist_ok=True)
            if self._old_record is None:
                self._copy("before")
            self._copy("previous")
            record.add(draft, written, services)
            for path, before in self._old_files.items():
                record.files.setdefault(str(path), before)
            self._write(record)
        except BaseException:  # a signal, too
            self._forget()
            raise

    def keep(self) -> None:
        """It worked: note how both files are left.

        Raises:
            OSError: it can't be noted; `restore` is still possible.
        """
        record = self.record() or Record()
        record.left = self._digests()
        self._write(record)

    def settle(self) -> None:
        """There is no way back to the state before this apply; the copies of the first one stay."""
        shutil.rmtree(self.place / "previous", ignore_errors=True)

    def restore(self) -> None:
        """It failed: everything as `take` found it.

        Raises:
            OSError: even that can't be done; the copies stay.
        """
        for name in NAMES:
            kept, there = self.place / "previous" / name, self._folder / name
            if kept.exists() and kept.read_bytes() != there.read_bytes():
                kept.replace(there)
        for path, before in self._old_files.items():
            if content(path) != before:
                put(path, before, mode=self._modes[path])
        self._forget()

    def is_exact(self) -> bool:
        """Whether the copies of the first apply can be put back: nobody else changed anything."""
        record = self.record()
        return record is not None and not record.is_shared and record.left == self._digests()

    def put_originals(self) -> None:
        """Put the copies of the first apply back, byte for byte."""
        for name in NAMES:
            fresh = self._folder / f"{name}.notify-email"
            try:
                _copy(self.place / "before" / name, fresh)
                fresh.replace(self._folder / name)
            finally:
                fresh.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget everything: it is as if there never was an apply."""
        shutil.rmtree(self.place)

    def _forget(self) -> None:
        """Leave no more than there was before `take`."""
        if self._old_record is None:
            shutil.rmtree(self.place, ignore_errors=True)
            return
        shutil.rmtree(self.place / "previous", ignore_errors=True)
        put(self.place / "record.json", self._old_record, mode=0o600)

    def _copy(self, kind: str) -> None:
        folder = self.place / kind
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in NAMES:
            _copy(self._folder / name, folder / name)

    def _write(self, record: Record) -> None:
        put(self.place / "record.json", json.dumps(asdict(record), indent=1) + "\n", mode=0o600)

    def _digests(self) -> dict[str, str]:
        return {name: sha256((self._folder / name).read_bytes()).hexdigest() for name in NAMES}


def content(path: Path) -> str | None:
    """A file's text; None: there is none, or it may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def put(path: Path, text: str | None, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all; None: remove it, and the drop-ins' folder if it is empty.

    Raises:
        OSError: it can't be written.
    """
    if text is None:
        for name in (path.name, *(path.name + suffix for suffix in _COMPILED)):
            path.with_name(name).unlink(missing_ok=True)
        if path.parent.name.endswith(".service.d"):
            with suppress(OSError):  # others' drop-ins are in it
                path.parent.rmdir()
        return
    if path.is_relative_to("/proc"):
        path.write_text(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    shutil.copy2(source, target)
    owner = source.stat()
    os.chown(target, owner.st_uid, owner.st_gid)
