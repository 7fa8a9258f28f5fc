"""The sessions of browsers: a token is given once, and then a signed cookie stands for it.

A session is valid as long as its token is: it has the token's name and fingerprint, and nothing is
stored. So it outlives a restart, and ends at once when the token is removed or replaced.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyservice.auth.authenticator import Authenticator, Caller

if TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer

MAX_AGE = 12 * 3600
"""Seconds after which a session ends."""


class Sessions:
    """Starts sessions, and finds their callers. Thread-safe."""

    def __init__(self, authenticator: Authenticator, key: Callable[[], str]) -> None:
        """Start none yet.

        Args:
            authenticator: knows the tokens.
            key: returns the key that signs cookies; it is called when one is needed.
        """
        self._authenticator, self._key = authenticator, key

    def start(self, token: str, peer: str | None) -> str:
        """Return the cookie of a new session.

        Wrong tokens are not counted: nobody guesses 256 random bits, and behind a proxy all people
        have one address, so that a stranger could keep them out.

        Args:
            token: what the person gave.
            peer: the address of the connection's other end.

        Raises:
            UnauthorizedError: the service doesn't know the token.
        """
        name = self._authenticator.authenticate(f"Bearer {token}", peer).name
        return self._serializer().dumps([name, self._authenticator.fingerprint(name)])

    def caller(self, cookie: str) -> Caller | None:
        """Return the caller of a session; None: there is none, or it has ended."""
        from itsdangerous import BadData  # noqa: PLC0415 - as below

        try:
            name, fingerprint = self._serializer().loads(cookie, max_age=MAX_AGE)
        except BadData:
            return None
        return self._authenticator.resume(name, fingerprint)

    def _serializer(self) -> "URLSafeTimedSerializer":
        # Only now: a service without tokens needs none of it.
        from itsdangerous import URLSafeTimedSerializer  # noqa: PLC0415

        return URLSafeTimedSerializer(
            self._key(),
            salt="notify-email session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
