"""Who may send: bearer tokens in a file, of which only digests are kept.

The file is TOML, one table a token: `[tokens.NAME]` with `sha256` and `created`. It is read again
when it changes, so that a token is added or taken away without a restart.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import structlog

from pyservice.errors import ConfigurationError, UnauthorizedError

LOCAL = "local"
"""Who everybody is where there are no tokens."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_log = structlog.get_logger()


class Tokens:
    """The tokens of a file; without a file everybody is `LOCAL`."""

    def __init__(self, file: Path | None) -> None:
        """Read the file.

        Raises:
            ConfigurationError: says what is wrong with it.
        """
        self._file = file
        self._stamp, self._digests = _read(file) if file else (0, {})

    @property
    def needed(self) -> bool:
        """Whether a request must carry a token."""
        return self._file is not None

    def owner(self, authorization: str | None) -> str:
        """The name of the token in an Authorization header, Bearer or Basic (as its password).

        Raises:
            UnauthorizedError: there is none, or it isn't known.
        """
        if self._file is None:
            return LOCAL
        self._refresh(self._file)
        token = _token(authorization)
        if token is None:
            raise UnauthorizedError
        digest = _digest(token)
        # Every one is compared, so that the time taken tells nothing.
        names = [n for n, known in self._digests.items() if hmac.compare_digest(known, digest)]
        if not names:
            raise UnauthorizedError(
                "The token isn't known here: `notify-email token new` makes one."
            )
        return names[0]

    def _refresh(self, file: Path) -> None:
        try:
            if file.stat().st_mtime_ns != self._stamp:
                self._stamp, self._digests = _read(file)
        except (OSError, ConfigurationError) as error:
            _log.error("tokens.unreadable", reason=str(error), kept=len(self._digests))


def new(file: Path, name: str) -> str:
    """Make a token, add its digest to the file and return it: it can't be shown again.

    Raises:
        ConfigurationError: the name is taken or unfit, or the file can't be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError("A token's name has 1 to 64 letters, digits, - and _.")
    token = f"ne_{secrets.token_urlsafe(32)}"
    made = datetime.now(UTC).date().isoformat()
    table = f'[tokens.{name}]\nsha256 = "{_digest(token)}"\ncreated = {made}\n'
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        if name in _read(file)[1]:
            raise ConfigurationError(
                f"{file} has a token named {name!r}; take it out or choose another."
            )
        with file.open("a") as out:
            out.write(("\n" if out.tell() else "") + table)
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None
    return token


def _read(file: Path) -> tuple[int, dict[str, str]]:
    """When the file was changed, and each token's digest.

    Raises:
        ConfigurationError: it can't be read, or is no tokens file.
    """
    try:
        with file.open("rb") as opened:
            stamp = os.fstat(opened.fileno()).st_mtime_ns
            tables = tomllib.load(opened).get("tokens", {})
        digests = {name: str(table["sha256"]) for name, table in tables.items()}
    except OSError as error:
        raise ConfigurationError(
            f"The tokens file {file} can't be read: {error.strerror}."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"The tokens file {file} can't be read: {error!r}.") from None
    for name, digest in digests.items():
        if not _SHA256.fullmatch(digest):
            raise ConfigurationError(f"{file}: `sha256` of {name!r} is not 64 hexadecimal digits.")
    return stamp, digests


def _token(authorization: str | None) -> str | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return None
    return None


def _digest(token: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
