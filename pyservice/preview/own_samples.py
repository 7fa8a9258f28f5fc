"""Samples of the callers' own: reports that they saved to see their templates with, as files.

Each owner has a folder with a file NAME.json for each sample. The reports are masked, as those in
the outbox are, and keep their `data`.
"""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock

from pyservice.config.live import LiveSettings
from pyservice.config.settings import state_directory
from pyservice.errors import (
    ConfigurationError,
    InvalidError,
    MalformedError,
    NotFoundError,
    TooLargeError,
    os_reason,
)
from pyservice.report.schema import Report

MAX_SAMPLES = 200
"""Of one owner."""
MAX_BYTES = 1024 * 1024
"""Of one sample."""

_SET_ONE = (
    "Let the administrator set NOTIFY_EMAIL_SAMPLES_DIR to a folder that the service may write to."
)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class OwnSamples:
    """The samples in SAMPLES_DIR. Thread-safe."""

    def __init__(self, live: LiveSettings) -> None:
        """Read nothing yet."""
        self._live, self._lock = live, Lock()

    def names(self, owner: str) -> list[str]:
        """Return the names of an owner's samples, sorted."""
        try:
            files = [path.name for path in self._folder(owner).iterdir()]
        except (OSError, InvalidError):
            return []
        names = [name.removesuffix(".json") for name in files if name.endswith(".json")]
        return sorted(name for name in names if NAME.fullmatch(name))

    def load(self, owner: str, name: str) -> Report:
        """Return a sample.

        Raises:
            NotFoundError: the owner has none of this name, or its file can't be used.
        """
        if not NAME.fullmatch(name):
            raise NotFoundError("You have no sample of this name.")
        file = self._file(owner, name)
        try:
            return Report.parse(file.read_bytes())
        except FileNotFoundError:
            known = ", ".join(self.names(owner)) or "none"
            raise NotFoundError(f"You have no sample {name}; there are: {known}.") from None
        except OSError as error:
            reason = os_reason(error)
        except (InvalidError, MalformedError) as error:
            reason = error.errors[0][1] if error.errors else error.detail.rstrip(".")
        raise NotFoundError(f"Your sample {name} can't be used: {reason}. Save it again.")

    def save(self, owner: str, name: str, report: Report) -> None:
        """Save a report as a sample, in place of one with the same name.

        Args:
            owner: the caller's name.
            name: lower-case letters, digits, `.`, `-` and `_`.
            report: masked already; its attachments are left out.

        Raises:
            InvalidError: the name can't be used, the owner has too many samples, or the folder
                can't be written to.
            TooLargeError: the report is too large.
        """
        if not NAME.fullmatch(name):
            raise InvalidError(
                "A sample's name has lower-case letters, digits, dots, - and _ only, at most 64."
            )
        content = report.without_files().model_dump_json(by_alias=True, exclude_defaults=True)
        if len(content.encode()) > MAX_BYTES:
            raise TooLargeError(f"The report has more than {MAX_BYTES} bytes: save a smaller one.")
        file = self._file(owner, name)
        with self._lock:
            if not file.exists() and len(self.names(owner)) >= MAX_SAMPLES:
                raise InvalidError(f"You have {MAX_SAMPLES} samples, the most: delete one first.")
            try:
                _write(file, content)
            except OSError as error:
                raise InvalidError(
                    f"The sample can't be written to {file.parent}: {os_reason(error)}. {_SET_ONE}"
                ) from error

    def delete(self, owner: str, name: str) -> None:
        """Delete a sample.

        Raises:
            NotFoundError: the owner has none of this name.
            InvalidError: the folder can't be written to.
        """
        if name not in self.names(owner):
            raise NotFoundError("You have no sample of this name.")
        try:
            self._file(owner, name).unlink(missing_ok=True)
        except OSError as error:
            raise InvalidError(f"The sample can't be deleted: {os_reason(error)}.") from error

    def _folder(self, owner: str) -> Path:
        settings = self._live.settings
        folder = settings.samples_dir
        if folder is None:
            try:
                kind, _, path = settings.outbox_url.partition(":///")
                beside = Path(path).parent if kind == "sqlite" else state_directory()
            except ConfigurationError:
                raise InvalidError("There is no folder for samples. " + _SET_ONE) from None
            folder = beside / "samples"
        return folder / owner  # a token's name has neither a `/` nor a dot

    def _file(self, owner: str, name: str) -> Path:
        return self._folder(owner) / f"{name}.json"


def _write(file: Path, content: str) -> None:
    """Write a file that others see as a whole or not at all, and only the service's user."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
