"""The tokens file: bearer tokens, of which only digests are kept, and what each may do.

It is TOML, one table a token: `[tokens.NAME]` with `sha256`, `created` and the members of
permissions.py. It is read again when it changes, so that a token is added, taken away or bounded
without a restart.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import AfterValidator, ValidationError
from pydantic_core import ErrorDetails

from pyservice.auth.permissions import Permissions
from pyservice.errors import ConfigurationError

LOCAL = "local"
"""Who everybody on this machine is where there are no tokens."""
TRUSTED = "trusted"
"""Who a caller from TRUSTED_NETWORKS is."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = re.compile(r"\s*\[")
_Stamp = tuple[int, int, int]
_log = structlog.get_logger()


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError("it is not 64 hexadecimal digits")
    return value


class Token(Permissions):
    """One token of the file."""

    sha256: Annotated[str, AfterValidator(_sha256)]
    created: date | None = None

    def rights(self) -> dict[str, Any]:
        """The bounds that it has, by their names in the file."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"sha256", "created"})


class Tokens:
    """The tokens of a file, as it is now. Thread-safe."""

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: says what is wrong with it.
        """
        self._file = file
        self._stamp, self._known = _read(file)
        self._complaint = ""

    def find(self, token: str) -> tuple[str, Permissions] | None:
        """The name and the rights of a token; None: it isn't known."""
        self._refresh()
        digest = _digest(token)
        # Every one is compared, so that the time taken tells nothing.
        found = [
            (name, known)
            for name, known in self._known.items()
            if hmac.compare_digest(known.sha256, digest)
        ]
        return found[0] if found else None

    def _refresh(self) -> None:
        """Take up a file that changed; one that can't be used is told once, and nothing changes."""
        try:
            if _stamp(self._file.stat()) != self._stamp:
                self._stamp, self._known = _read(self._file)
                _log.info("tokens.read", tokens=len(self._known))
            self._complaint = ""
        except (OSError, ConfigurationError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.error("tokens.unreadable", reason=str(error), kept=len(self._known))


def read(file: Path) -> dict[str, Token]:
    """Every token of a file, by its name.

    Raises:
        ConfigurationError: it can't be read, or is no tokens file.
    """
    return _read(file)[1]


def new(file: Path, name: str, rights: Permissions | None = None) -> str:
    """Make a token, add its digest to the file and return it: it can't be shown again.

    Args:
        file: the tokens file; it is made where there is none.
        name: whom it is for.
        rights: its bounds; None: none.

    Raises:
        ConfigurationError: the name is taken or unfit, or the file can't be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError("A token's name has 1 to 64 letters, digits, - and _.")
    token = f"ne_{secrets.token_urlsafe(32)}"
    made = datetime.now(UTC).date().isoformat()
    lines = [f"[tokens.{name}]", f'sha256 = "{_digest(token)}"', f"created = {made}"]
    bounds = (rights or Permissions()).model_dump(mode="json", exclude_defaults=True)
    # A text in JSON is one in TOML, and so is a list of them.
    lines += [f"{member} = {json.dumps(value)}" for member, value in bounds.items()]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        if name in read(file):
            raise ConfigurationError(
                f"{file} has a token named {name!r}; take it out or choose another."
            )
        text = file.read_bytes().decode()
        added = ("\n" if text else "") + "\n".join(lines) + "\n"
        if text and not text.endswith("\n"):
            added = "\n" + added
        _parse(file, text + added)
        with file.open("a", encoding="utf-8") as out:
            out.write(added)
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None
    return token


def remove(file: Path, name: str) -> None:
    """Take a token out of the file; all else stays as it is, byte by byte.

    Raises:
        ConfigurationError: there is none of this name, or it is written in a way that only a
            person can take it out of, or the file can't be written.
    """
    known = read(file)
    if name not in known:
        names = ", ".join(known) or "none"
        raise ConfigurationError(f"{file} has no token named {name!r}; there are: {names}.")
    text = file.read_bytes().decode()
    start, end = _place(text, name)
    left = text[:start] + text[end:]
    del known[name]
    if start == end or _parse(file, left) != known:
        raise ConfigurationError(f"Take the lines of {name!r} out of {file} by hand.")
    try:
        # In place: the file may be mounted into a container, and a new one would not be seen.
        with file.open("r+b") as out:
            out.seek(len(text[:start].encode()))
            out.write(text[end:].encode())
            out.truncate()
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None


def _place(text: str, name: str) -> tuple[int, int]:
    """Where a token's table stands: from its header to its last member's line.

    What follows up to the next table, such as a comment, belongs to that one.
    """
    header = re.search(rf"(?m)^[ \t]*\[[ \t]*tokens[ \t]*\.[ \t]*{re.escape(name)}[ \t]*\]", text)
    if not header:
        return 0, 0
    end = at = header.start()
    for number, line in enumerate(text[at:].splitlines(keepends=True)):
        if number and _HEADER.match(line):
            break
        at += len(line)
        if line.strip() and not line.lstrip().startswith("#"):
            end = at
    # The empty line that parted it from what stands before goes with it.
    before = text[: header.start()]
    for gap in ("\r\n", "\n"):
        if before.endswith(gap * 2) or before == gap:
            return header.start() - len(gap), end
    return header.start(), end


def _read(file: Path) -> tuple[_Stamp, dict[str, Token]]:
    try:
        with file.open("rb") as opened:
            # Before it is read: what changes meanwhile is seen the next time.
            stamp = _stamp(os.fstat(opened.fileno()))
            return stamp, _parse(file, opened.read().decode())
    except OSError as error:
        raise ConfigurationError(
            f"The tokens file {file} can't be read: {error.strerror}."
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"The tokens file {file} can't be read: {error}.") from None


def _stamp(found: os.stat_result) -> _Stamp:
    # The size, too: two writes may fall into one tick of the file system's clock.
    return found.st_ino, found.st_mtime_ns, found.st_size


def _parse(file: Path, text: str) -> dict[str, Token]:
    try:
        whole = tomllib.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"The tokens file {file} can't be read: {error}.") from None
    tables = whole.pop("tokens", {})
    if whole or not isinstance(tables, dict):
        stray = next(iter(whole), "tokens")
        raise ConfigurationError(f"{file}: `{stray}` is no token; they are tables [tokens.NAME].")
    known: dict[str, Token] = {}
    for name, table in tables.items():
        known[name] = _token(file, name, table)
    digests: dict[str, str] = {}
    for name, token in known.items():
        other = digests.setdefault(token.sha256, name)
        if other != name:
            raise ConfigurationError(f"{file}: {other!r} and {name!r} are one token: which is it?")
    return known


def _token(file: Path, name: str, table: object) -> Token:
    if name in {LOCAL, TRUSTED}:
        raise ConfigurationError(
            f"{file}: no token is named {name!r}: so those are called who need none."
        )
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: {name!r} is no table: write [tokens.{name}].")
    try:
        return Token.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{file}: token {name!r}: `{first['loc'][0]}`"
        raise ConfigurationError(f"{where}: {wrong(first)}.") from None


def wrong(error: ErrorDetails) -> str:
    """What is wrong with a member of a token, as the end of a sentence."""
    match error["type"]:
        case "extra_forbidden":
            return f"there is no such member; there are: {', '.join(Token.model_fields)}"
        case "missing":
            return "it is missing"
        case "too_short":
            return "an empty list allows nothing: leave it out, or take the token out"
        case _:
            return error["msg"].removeprefix("Value error, ")


def _digest(token: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
