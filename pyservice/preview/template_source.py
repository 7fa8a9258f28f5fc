"""The files that a template is made of: an administrator's own, and the built-in ones it lacks."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pyservice.errors import os_reason
from pyservice.mail.rendering import BUILT_IN, DIGEST, PARTS

MAX_BYTES = 200_000
"""Of a file that are shown."""
MAX_FILES = 30
"""Of a template's folder that are shown."""

_MAX_READ = 2_000_000
"""Bytes of a file that count for a state; a mail's part has at most a million characters."""
_COMPUTED = re.compile(rb"\{%[-+]?\s*(?:include|extends|import|from)\s+[^\s'\"]")


@dataclass(frozen=True)
class SourceFile:
    """A file of a template."""

    path: str
    """Below the folder of templates, as errors name it: `release/body.html`."""
    is_own: bool
    """Whether it is an administrator's; else it is built in, and can't be edited."""
    lines: tuple[str, ...]
    trouble: str = ""
    """Why it is not shown, or not as a whole; a sentence."""

    @property
    def name(self) -> str:
        """The file's name without its template's."""
        return self.path.partition("/")[2]


def source_files(
    folder: Path | None, template: str, also: tuple[str, ...] = ()
) -> tuple[SourceFile, ...]:
    """Return a template's three parts in their order, and then the other files of its folder.

    Args:
        folder: an administrator's templates; None: there are none.
        template: its name, which must be one that `Renderer.has` knows, or the digest's.
        also: the paths of further files, such as one that is included and has a fault.
    """
    own = folder / template if folder is not None else None
    shown = [_part(own, template, part) for part in PARTS]
    paths = {file.path for file in shown}
    if folder is not None:
        others = [f"{template}/{name}" for name in _other_names(folder / template)]
        for path in dict.fromkeys((*others, *also)):
            is_inside = ".." not in path and not path.startswith("/")
            if is_inside and path not in paths and (folder / path).is_file():
                shown.append(_read(folder / path, path, is_own=True))
    return tuple(shown)


def state_of(folder: Path | None, template: str) -> str:
    """Return what differs once a file has changed of which a template's mails may be made.

    These are the files of its own folder, of the built-in template's replacement, of the folders
    that they name, and those beside all folders. If a name is computed, all files count.

    Args:
        folder: an administrator's templates; None: there are none.
        template: its name.
    """
    digest = hashlib.sha256(str(folder).encode())
    if folder is None:
        return digest.hexdigest()[:16]
    names = [path.name for path in _entries(folder) if path.is_dir()]
    waiting, seen = [template, BUILT_IN, ""], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        inside = (folder / name).rglob("*") if name else _entries(folder)
        for file in sorted(path for path in inside if path.is_file()):
            content = _content(file)
            digest.update(f"\0{file}\0{len(content)}\0".encode() + content)
            is_computed = _COMPUTED.search(content) is not None
            waiting += [one for one in names if is_computed or f"{one}/".encode() in content]
    return digest.hexdigest()[:16]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_READ)
    except OSError as error:
        return repr(error).encode()


def _part(own: Path | None, template: str, part: str) -> SourceFile:
    if own is not None and (own / part).is_file():
        return _read(own / part, f"{template}/{part}", is_own=True)
    built_in = files("pyservice.mail") / "templates"
    has_part = template in {BUILT_IN, DIGEST} and (built_in / template / part).is_file()
    path = f"{template if has_part else BUILT_IN}/{part}"
    text = (built_in / path).read_text(encoding="utf-8")
    return SourceFile(path, is_own=False, lines=tuple(text.splitlines()))


def _other_names(folder: Path) -> Iterator[str]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError:
        return
    shown = [name for name in names if not name.startswith(".") and not name.endswith("~")]
    yield from shown[:MAX_FILES]


def _read(file: Path, path: str, *, is_own: bool) -> SourceFile:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        return SourceFile(path, is_own, (), f"It can't be read: {os_reason(error)}.")
    trouble = ""
    if len(content) > MAX_BYTES:
        content, trouble = content[:MAX_BYTES], f"Only its first {MAX_BYTES} bytes are shown."
    if b"\0" in content:
        return SourceFile(path, is_own, (), "It is not text.")
    return SourceFile(path, is_own, tuple(content.decode(errors="replace").splitlines()), trouble)
