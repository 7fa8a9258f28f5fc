"""The sessions of browsers: a token is given once, and then a signed cookie stands for it.

A session is valid as long as its token is: it has the token's name and fingerprint, and nothing is
stored. So it outlives a restart, and ends at once when the token is removed or replaced.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyservice.auth.authenticator import Authenticator, Caller
from pyservice.errors import RateExceededError, UnauthorizedError

if TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer
    from limits.strategies import RateLimiter

MAX_AGE = 12 * 3600
"""Seconds after which a session ends."""
ATTEMPTS = "10/minute"
"""Wrong tokens that one address may try, in the notation of `limits`."""


class Sessions:
    """Starts sessions, and finds their callers. Thread-safe."""

    def __init__(self, authenticator: Authenticator, key: Callable[[], str]) -> None:
        """Start none yet.

        Args:
            authenticator: knows the tokens.
            key: returns the key that signs cookies; it is called when one is needed.
        """
        self._authenticator, self._key = authenticator, key
        self._attempts = _Attempts()

    def start(self, token: str, peer: str | None) -> str:
        """Return the cookie of a new session.

        Args:
            token: what the person gave.
            peer: the address of the connection's other end.

        Raises:
            UnauthorizedError: the service doesn't know the token.
            RateExceededError: too many wrong ones came from this address.
        """
        self._attempts.check(peer)
        try:
            name = self._authenticator.authenticate(f"Bearer {token}", peer).name
        except UnauthorizedError:
            self._attempts.count(peer)
            raise
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


class _Attempts:
    """Counts the wrong tokens of each address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limiter: RateLimiter | None = None

    def check(self, peer: str | None) -> None:
        """Raise RateExceededError if an address has tried too many."""
        with self._lock:
            if self._limiter is None:
                return
            from limits import parse  # noqa: PLC0415

            if not self._limiter.test(parse(ATTEMPTS), peer or ""):
                raise RateExceededError(
                    "Too many wrong tokens came from your address. Wait a minute, then try again.",
                    retry_after=60,
                )

    def count(self, peer: str | None) -> None:
        """Count a wrong token."""
        from limits import parse  # noqa: PLC0415 - the import takes long
        from limits.storage import MemoryStorage  # noqa: PLC0415
        from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415

        with self._lock:
            if self._limiter is None:
                self._limiter = MovingWindowRateLimiter(MemoryStorage())
            self._limiter.hit(parse(ATTEMPTS), peer or "")
