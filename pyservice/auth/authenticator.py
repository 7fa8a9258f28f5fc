"""Finds out who calls: by a token, by the caller's network, or as a program on this machine."""

import base64
import binascii
import math
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from pyservice.auth.permissions import Act, Permissions
from pyservice.auth.tokens import LOCAL, TRUSTED, Tokens
from pyservice.config.settings import Settings
from pyservice.errors import PolicyError, RateExceededError, UnauthorizedError

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

_HOW_TO_GET_ONE = "`notify-email token new` makes one"


@dataclass(frozen=True)
class Caller:
    """The sender of a request: the owner of the reports that it sends."""

    name: str
    """The name of its token, or `LOCAL` or `TRUSTED`."""
    permissions: Permissions

    def require(self, act: Act) -> None:
        """Refuse an act that the caller has no permission for.

        Raises:
            PolicyError: says what the caller may do.
        """
        if self.name == TRUSTED and act not in self.permissions.may:
            raise PolicyError(
                "A caller from TRUSTED_NETWORKS without a token may send reports and nothing "
                f"else. With a token it may do more: {_HOW_TO_GET_ONE}."
            )
        self.permissions.require(act)


_LOCAL = Caller(LOCAL, Permissions())
_TRUSTED = Caller(TRUSTED, Permissions(may=("send",)))


class Authenticator:
    """Finds the caller of each request, and counts the reports of each token. Thread-safe.

    A caller's address is that of its connection. A header could lie about it.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the tokens file, if there is one.

        Raises:
            ConfigurationError: the file can't be used.
        """
        self._tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
        self._networks = settings.trusted_networks
        self._limiter: RateLimiter | None = None
        self._lock = threading.Lock()

    def needs_token(self, authorization: str | None, peer: str | None) -> bool:
        """Return whether only a token proves this caller; without one it could be a web page."""
        return self._tokens is not None and (authorization is not None or not self._trusts(peer))

    def authenticate(self, authorization: str | None, peer: str | None) -> Caller:
        """Return the caller of a request.

        Args:
            authorization: the header: Bearer, or Basic with the token as its password; None: the
                request has no such header.
            peer: the address of the connection's other end.

        Raises:
            UnauthorizedError: a token is needed, and the request has none or an unknown one.
            PolicyError: the service has no tokens, and the address is in none of TRUSTED_NETWORKS.
        """
        if self._tokens is not None and self.needs_token(authorization, peer):
            token = _token(authorization)
            if token is None:
                raise UnauthorizedError
            known = self._tokens.find(token)
            if known is None:
                raise UnauthorizedError(f"The service doesn't know this token: {_HOW_TO_GET_ONE}.")
            return Caller(*known)
        # Without TRUSTED_NETWORKS the service listens on loopback only.
        if self._tokens is None and (not self._networks or _is_loopback(peer)):
            return _LOCAL
        if self._trusts(peer):
            return _TRUSTED
        raise PolicyError(
            f"{peer} is in none of TRUSTED_NETWORKS, and this service has no tokens: "
            f"{_HOW_TO_GET_ONE}."
        )

    def count_report(self, caller: Caller) -> None:
        """Count a new report against the rate of the caller's token.

        Raises:
            RateExceededError: the rate is used up. The report isn't counted.
        """
        rate = caller.permissions.limit
        if rate is None:
            return
        limiter = self._rate_limiter()
        if not limiter.hit(rate, caller.name):
            free_at = limiter.get_window_stats(rate, caller.name).reset_time
            raise _rate_used_up(rate, free_at)

    def _rate_limiter(self) -> "RateLimiter":
        with self._lock:
            if self._limiter is None:
                # Only now: the import takes long, and most tokens have no rate.
                from limits.storage import MemoryStorage  # noqa: PLC0415
                from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415

                self._limiter = MovingWindowRateLimiter(MemoryStorage())
            return self._limiter

    def _trusts(self, peer: str | None) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)


def _rate_used_up(rate: "RateLimitItem", free_at: float) -> RateExceededError:
    seconds = max(1, math.ceil(free_at - time.time()))
    return RateExceededError(
        f"The token's rate is used up: it may send at most {rate.amount} reports per "
        f"{_period(rate)}. The report was not accepted: try again in {seconds} s.",
        retry_after=seconds,
    )


def _period(rate: "RateLimitItem") -> str:
    unit = rate.GRANULARITY.name
    return unit if rate.multiples == 1 else f"{rate.multiples} {unit}s"


def _is_loopback(peer: str | None) -> bool:
    address = _address(peer)
    return address is not None and address.is_loopback


def _address(peer: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return None
    # An IPv6 socket shows an IPv4 caller's address as ::ffff:192.0.2.1.
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


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
