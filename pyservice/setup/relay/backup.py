"""Keeps the old configuration, so that a failed apply and `relay revert` can restore it.

The copies are in `notify-email` within the instance's configuration directory. Only root may read
them. They are on the same file system, so to restore is to rename, which a full disk allows.

    before/       main.cf and master.cf before the first apply; kept until `relay revert`
    previous/     main.cf and master.cf before this apply; kept while it is at work
    record.json   what all the applies have changed: value before the first, value after the last
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from pyservice.errors import SetupError
from pyservice.postfix.instance import Configuration
from pyservice.postfix.mynetworks import split_list
from pyservice.setup.relay.changes import RelayPlan

NAMES = ("main.cf", "master.cf")

_COMPILED = (".db", ".lmdb")
"""The suffixes of the file that postmap writes beside a table; it holds the same secret."""


@dataclass
class ValueChange:
    """A parameter or service that was changed; None: it is not set."""

    before: str | None
    after: str | None


@dataclass
class Record:
    """What all applies have changed, by name."""

    parameters: dict[str, ValueChange] = field(default_factory=dict)
    services: dict[str, ValueChange] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    """The content before the first apply; never a secret, since those files are ours."""
    left: dict[str, str] = field(default_factory=dict)
    """The digests of main.cf and master.cf after the last apply."""
    added: dict[str, list[str]] = field(default_factory=dict)
    """The entries that were added to a list in main.cf: `mynetworks` → `172.22.0.0/16`."""
    is_shared: bool = False
    """Whether others changed those files between two applies: their copies would undo that, too."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse record.json."""
        values: dict[str, Any] = {"added": None} | json.loads(text)
        for kind in ("parameters", "services"):
            values[kind] = {name: ValueChange(**change) for name, change in values[kind].items()}
        if values["added"] is None:  # written by an early version
            values["added"] = _find_added(values["parameters"])
        return cls(**values)

    def as_text(self) -> str:
        """Return what `parse` takes."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @property
    def added_services(self) -> dict[str, str]:
        """What was added to master.cf: `172.22.91.1:25/inet` → its line."""
        return {
            name: change.after
            for name, change in self.services.items()
            if change.before is None and change.after is not None
        }

    def add(self, plan: RelayPlan, configuration: Configuration) -> None:
        """Record what a plan is about to change."""
        for changes, values, before in (
            (self.parameters, plan.parameters, configuration.written),
            (self.services, plan.services, configuration.services),
        ):
            for name, after in values.items():
                changes.setdefault(name, ValueChange(before.get(name), after)).after = after
        for name in self.added.keys() | plan.added.keys():
            left = split_list(plan.parameters.get(name, configuration.written.get(name)) or "")
            earlier = (entry for entry in self.added.get(name, ()) if entry in left)
            self.added[name] = list(dict.fromkeys((*earlier, *plan.added.get(name, ()))))


def _find_added(parameters: Mapping[str, ValueChange]) -> dict[str, list[str]]:
    """Return what the applies added to lists, as far as the old and the new value show it."""
    added = {}
    for name in ("inet_interfaces", "mynetworks"):
        change = parameters.get(name)
        if change is not None and change.before is not None:
            others = (*split_list(change.before), "localhost", "127.0.0.1")
            added[name] = [word for word in split_list(change.after or "") if word not in others]
    return added


class Backup:
    """The backup of one instance."""

    def __init__(self, config_folder: Path) -> None:
        """Nothing is read or written yet.

        Args:
            config_folder: the instance's configuration directory.
        """
        self.folder = config_folder / "notify-email"
        self._config_folder = config_folder
        self._old_record: str | None = None
        self._old_files: dict[Path, str | None] = {}
        self._modes: dict[Path, int] = {}

    def record(self) -> Record | None:
        """Return what was changed so far; None: nothing, or this user may not read it.

        Raises:
            SetupError: the record is damaged.
        """
        text = read_file(self.folder / "record.json")
        try:
            return Record.parse(text) if text else None
        except (ValueError, TypeError, KeyError):
            raise SetupError(
                f"{self.folder}/record.json is damaged: compare {self.folder}/before with "
                f"{self._config_folder} by hand, then remove {self.folder}."
            ) from None

    def take(self, plan: RelayPlan, configuration: Configuration) -> None:
        """Copy what a plan is about to change.

        Raises:
            OSError: it can't be copied; nothing was changed.
        """
        self._old_record = read_file(self.folder / "record.json")
        self._old_files = {file.path: read_file(file.path) for file in plan.files}
        self._modes = {file.path: file.mode for file in plan.files}
        record = self.record() or Record(left=self._digests())
        record.is_shared |= record.left != self._digests()
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if self._old_record is None:
                self._copy("before")
            self._copy("previous")
            record.add(plan, configuration)
            for path, before in self._old_files.items():
                record.files.setdefault(str(path), before)
            self._write_record(record)
        except BaseException:  # a signal, too
            self._discard()
            raise

    def record_success(self) -> None:
        """Record that the apply succeeded, and how it left both files.

        Raises:
            OSError: the record can't be written; `restore` is still possible.
        """
        record = self.record() or Record()
        record.left = self._digests()
        self._write_record(record)

    def discard_previous(self) -> None:
        """Remove the copies of this apply; those of the first one stay."""
        shutil.rmtree(self.folder / "previous", ignore_errors=True)

    def restore(self) -> None:
        """Restore everything as it was at `take`.

        Raises:
            OSError: it can't be restored; the copies stay.
        """
        for name in NAMES:
            copy, current = self.folder / "previous" / name, self._config_folder / name
            if copy.exists() and copy.read_bytes() != current.read_bytes():
                copy.replace(current)
        for path, before in self._old_files.items():
            if read_file(path) != before:
                write_file(path, before, mode=self._modes[path])
        self._discard()

    def is_exact(self) -> bool:
        """Return whether only applies changed the files, so that `restore_originals` is safe."""
        record = self.record()
        return record is not None and not record.is_shared and record.left == self._digests()

    def restore_originals(self) -> None:
        """Restore the copies of the first apply, byte for byte."""
        for name in NAMES:
            fresh = self._config_folder / f"{name}.notify-email"
            try:
                _copy(self.folder / "before" / name, fresh)
                fresh.replace(self._config_folder / name)
            finally:
                fresh.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the whole backup."""
        shutil.rmtree(self.folder)

    def _discard(self) -> None:
        """Remove what `take` has added."""
        if self._old_record is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        shutil.rmtree(self.folder / "previous", ignore_errors=True)
        write_file(self.folder / "record.json", self._old_record, mode=0o600)

    def _copy(self, kind: str) -> None:
        folder = self.folder / kind
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in NAMES:
            _copy(self._config_folder / name, folder / name)

    def _write_record(self, record: Record) -> None:
        write_file(self.folder / "record.json", record.as_text(), mode=0o600)

    def _digests(self) -> dict[str, str]:
        return {
            name: sha256((self._config_folder / name).read_bytes()).hexdigest() for name in NAMES
        }


def read_file(path: Path) -> str | None:
    """Return a file's text; None: there is no such file, or this user may not read it."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def read_files(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the texts of those files that exist."""
    contents = ((path, read_file(path)) for path in paths)
    return {path: text for path, text in contents if text is not None}


def write_file(path: Path, text: str | None, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all; None removes it, and an empty folder of drop-ins.

    Raises:
        OSError: it can't be written.
    """
    if text is None:
        for name in (path.name, *(path.name + suffix for suffix in _COMPILED)):
            path.with_name(name).unlink(missing_ok=True)
        if path.parent.name.endswith(".service.d"):
            with suppress(OSError):  # it holds drop-ins of others
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
