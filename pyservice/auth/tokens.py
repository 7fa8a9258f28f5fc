"""The tokens file: the SHA-256 of each bearer token, and what the token may do.

The file is TOML, with one table for each token: `[tokens.NAME]` with `sha256`, `created` and the
members of permissions.py. The service reads a changed file again, so a token is added, removed or
bounded without a restart.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import AfterValidator, ValidationError
from pydantic_core import ErrorDetails

from pyservice.auth.permissions import Permissions
from pyservice.config.token_files import SERVICE_PREFIX
from pyservice.config.toml import parse_toml
from pyservice.errors import ConfigurationError, os_reason
from pyservice.file_version import FileVersion, file_version
from pyservice.validation import explain

LOCAL = "local"
"""The name of a caller on this machine, if the service has no tokens."""
TRUSTED = "trusted"
"""The name of a caller from TRUSTED_NETWORKS that has no token."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = re.compile(r"\s*\[")

_log = structlog.get_logger()


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError("it is not 64 hexadecimal digits")
    return value


class Token(Permissions):
    """One token of the file."""

    sha256: Annotated[str, AfterValidator(_sha256)]
    created: date | None = None

    def permissions_by_name(self) -> dict[str, Any]:
        """Return its bounds, by their names in the file."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"sha256", "created"})


class Tokens:
    """The tokens of a file; follows changes of the file. Thread-safe."""

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: it can't be read, or is no tokens file.
        """
        self._file = file
        self._version, self._known = _read(file)
        self._complaint = ""

    def find(self, token: str) -> tuple[str, Permissions] | None:
        """Return the name and the permissions of a token; None: it isn't known."""
        self._refresh()
        digest = _digest(token)
        # Compare all, so that the time taken reveals nothing.
        matches = [
            (name, known)
            for name, known in self._known.items()
            if hmac.compare_digest(known.sha256, digest)
        ]
        return matches[0] if matches else None

    def permissions_of(self, name: str) -> Token | None:
        """Return what the token of a name may do; None: there is none."""
        self._refresh()
        return self._known.get(name)

    def fingerprint(self, name: str) -> str | None:
        """Return what changes when another token gets this name; None: there is none.

        It reveals nothing of the token, nor of its hash.
        """
        known = self.permissions_of(name)
        return None if known is None else _digest(f"session:{known.sha256}")[:16]

    def _refresh(self) -> None:
        """Read a changed file; if it can't be used, log that once and keep the tokens."""
        try:
            if file_version(self._file.stat()) != self._version:
                self._version, self._known = _read(self._file)
                _log.info("tokens.loaded", tokens=len(self._known))
            self._complaint = ""
        except (OSError, ConfigurationError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.error("tokens.reload_failed", reason=str(error), kept=len(self._known))


def read(file: Path) -> dict[str, Token]:
    """Return the tokens of a file, by their names.

    Raises:
        ConfigurationError: it can't be read, or is no tokens file.
    """
    return _read(file)[1]


def new(file: Path, name: str, rights: Permissions | None = None) -> str:
    """Make a token, add its SHA-256 to the file, and return it: nobody can show it again.

    Args:
        file: the tokens file; it is made if there is none.
        name: its name, such as that of the team it is for.
        rights: its permissions; None: it has no bounds.

    Raises:
        ConfigurationError: the name is taken or not allowed, or the file can't be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "This name is not allowed. A token's name has 1 to 64 letters, digits, - and _."
        )
    token = f"{SERVICE_PREFIX}{secrets.token_urlsafe(32)}"
    made = datetime.now(UTC).date().isoformat()
    lines = [f"[tokens.{name}]", f'sha256 = "{_digest(token)}"', f"created = {made}"]
    bounds = (rights or Permissions()).model_dump(mode="json", exclude_defaults=True)
    # A string in JSON is one in TOML, and so is a list of strings.
    lines += [f"{member} = {json.dumps(value)}" for member, value in bounds.items()]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        if name in read(file):
            raise ConfigurationError(
                f"{file} has a token named {name!r} already. Remove it, or choose another name."
            )
        text = file.read_bytes().decode()
        added = ("\n" if text else "") + "\n".join(lines) + "\n"
        if text and not text.endswith("\n"):
            added = "\n" + added
        _parse(file, (text + added).encode())
        with file.open("a", encoding="utf-8") as out:
            out.write(added)
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {os_reason(error)}.") from None
    return token


def remove(file: Path, name: str) -> None:
    """Remove a token from the file; every other byte stays as it is.

    Raises:
        ConfigurationError: there is no token of this name, or only a person can remove it, because
            of the way in which it is written, or the file can't be written.
    """
    known = read(file)
    if name not in known:
        names = ", ".join(known) or "none"
        raise ConfigurationError(f"{file} has no token named {name!r}. It has: {names}.")
    text = file.read_bytes().decode()
    start, end = _place(text, name)
    left = text[:start] + text[end:]
    del known[name]
    if start == end or _parse(file, left.encode()) != known:
        raise ConfigurationError(
            f"Token {name!r} can't be removed automatically. Remove its lines from {file} by hand."
        )
    try:
        # In place: a container into which the file is mounted would not see a new file.
        with file.open("r+b") as out:
            out.seek(len(text[:start].encode()))
            out.write(text[end:].encode())
            out.truncate()
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {os_reason(error)}.") from None


def _place(text: str, name: str) -> tuple[int, int]:
    """Return the first and last offset of a token's table, from its header to its last member.

    A comment between its last member and the next table belongs to the next table.
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
    # The empty line before it is removed, too.
    before = text[: header.start()]
    for gap in ("\r\n", "\n"):
        if before.endswith(gap * 2) or before == gap:
            return header.start() - len(gap), end
    return header.start(), end


def _read(file: Path) -> tuple[FileVersion, dict[str, Token]]:
    try:
        with file.open("rb") as opened:
            # Before reading it: a change in between is noticed the next time.
            version = file_version(os.fstat(opened.fileno()))
            return version, _parse(file, opened.read())
    except OSError as error:
        cure = ""
        if isinstance(error, FileNotFoundError):
            cure = f" Make it: notify-email token new NAME --file {file}"
        if isinstance(error, PermissionError):
            cure = " Let the service's user read it."
        raise ConfigurationError(
            f"The tokens file {file} can't be read: {os_reason(error)}.{cure}"
        ) from None


def _parse(file: Path, content: bytes) -> dict[str, Token]:
    whole = parse_toml(content, f"The tokens file {file}")
    tables = whole.pop("tokens", {})
    if whole or not isinstance(tables, dict):
        stray = next(iter(whole), "tokens")
        raise ConfigurationError(
            f"{file}: `{stray}` is not a token. Write each token as a table [tokens.NAME]."
        )
    known: dict[str, Token] = {}
    for name, table in tables.items():
        known[name] = _token(file, name, table)
    digests: dict[str, str] = {}
    for name, token in known.items():
        other = digests.setdefault(token.sha256, name)
        if other != name:
            raise ConfigurationError(
                f"{file}: {other!r} and {name!r} are the same token. Remove one of them."
            )
    return known


def _token(file: Path, name: str, table: object) -> Token:
    if name in {LOCAL, TRUSTED}:
        raise ConfigurationError(
            f"{file}: a token can't be named {name!r}: callers without a token are. Rename it."
        )
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: {name!r} is not a table. Write [tokens.{name}].")
    try:
        return Token.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{file}: token {name!r}: `{first['loc'][0]}`"
        raise ConfigurationError(f"{where}: {wrong(first)}.") from None


def wrong(error: ErrorDetails) -> str:
    """Return what is wrong with a member of a token, as the end of a sentence."""
    match error["type"]:
        case "extra_forbidden":
            return f"there is no such member; there are: {', '.join(Token.model_fields)}"
        case "too_short":
            return "an empty list allows nothing: leave the member out, or remove the token"
        case _:
            return explain(error)


def _digest(token: str) -> str:
    # 256 random bits can't be guessed, so they need no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()
