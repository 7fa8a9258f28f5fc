"""The files of templates, and how to notice that one of them has changed.

An editor's temporary files count for nothing. A folder that is replaced as a whole counts: by a
rename, or by a symbolic link as Kubernetes does with a ConfigMap.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from pyservice.file_version import FileVersion, file_version

_MAX_FILES = 10_000
"""Of all templates: TEMPLATES_DIR may be `/` by mistake."""
_MAX_DEPTH = 8
"""Of folders: a symbolic link may lead back to a folder above it."""

TemplateState = tuple[tuple[str, FileVersion], ...]
"""For each file its path and version."""


def template_state(folder: Path | None) -> TemplateState:
    """Return what differs once a file in a folder, or in a folder below, has changed.

    Args:
        folder: that of all templates, or of one; None: there is none.
    """
    state = []
    for path in _files(folder) if folder is not None else ():
        try:
            found = path.stat()
        except OSError:
            continue  # it is gone, or a link to nothing
        if not stat.S_ISDIR(found.st_mode):  # a folder changes by an editor's files, too
            state.append((str(path), file_version(found)))
    return tuple(state)


def template_folders(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Return a folder and those in it, through symbolic links."""
    try:
        inside = [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return
    yield folder
    if depth < _MAX_DEPTH:
        for path in inside:
            if not path.name.startswith("."):
                yield from template_folders(path, depth + 1)


def _files(folder: Path) -> Iterator[Path]:
    """Return the files of all templates, without hidden ones and an editor's."""
    count = 0
    for each in template_folders(folder):
        try:
            entries = sorted(each.iterdir())
        except OSError:
            continue
        for path in entries:
            if not path.name.startswith(".") and not path.name.endswith(("~", ".swp", ".tmp")):
                yield path
                count += 1
                if count == _MAX_FILES:
                    return
