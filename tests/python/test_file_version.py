"""file_version.py: what counts as a change of a file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyservice.file_version import file_version
from tests.python.conftest import wait_for


def _write_again(file: Path) -> None:
    before = file.stat()
    file.write_text("new")  # of the old size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp --preserve` does


def _replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("old")
    other.replace(file)


@pytest.mark.parametrize("change", [_write_again, _replace, lambda file: file.chmod(0o640)])
def test_a_change(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """A file has changed when it is written, replaced, or gets other permissions."""
    file = tmp_path / "file"
    file.write_text("old")
    before = file_version(file.stat())
    file.read_text()
    assert file_version(file.stat()) == before

    def is_noticed() -> bool:
        change(file)
        return file_version(file.stat()) != before

    wait_for(is_noticed)  # once the file system's clock has ticked since the first write
