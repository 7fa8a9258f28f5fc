"""Who calls, and what they may do: by a token, by the network they are in, or as this machine."""

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
from pyservice.errors import PolicyError, TooManyError, UnauthorizedError

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

_NEW = "`notify-email token new` makes one"


@dataclass(frozen=True)
class Caller:
    """Who sent a request."""

    name: str
    """The token's, or `LOCAL` or `TRUSTED`: whose the reports are."""
    permissions: Permissions

    def require(self, act: Act) -> None:
        """Whether the caller may do this at all.

        Raises:
            PolicyError: says what the caller may do.
        """
        if self.name == TRUSTED and act not in self.permissions.may:
            raise PolicyError(
                "A caller from TRUSTED_NETWORKS without a token may send reports and nothing "
                f"else. With a token there is more: {_NEW}."
            )
        self.permissions.require(act)


_LOCAL = Caller(LOCAL, Permissions())
_TRUSTED = Caller(TRUSTED, Permissions(may=("send",)))


class Authenticator:
    """The rules of who may call. Thread-safe.

    A caller's address is always the connection's own: what a header says of it may be a lie.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the tokens file, if there is one.

        Raises:
            ConfigurationError: says what is wrong with it.
        """
        self._tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
        self._networks = settings.trusted_networks
        self._limiter: RateLimiter | None = None
        self._lock = threading.Lock()

    def is_by_token(self, authorization: str | None, peer: str | None) -> bool:
        """Whether a token decides; where it doesn't, a web page could pass for a caller."""
        return self._tokens is not None and (authorization is not None or not self._trusts(peer))

    def caller(self, authorization: str | None, peer: str | None) -> Caller:
        """Who calls.

        Args:
            authorization: the header, Bearer or Basic (with the token as its password), or None.
            peer: the address at the other end of the connection.

        Raises:
            UnauthorizedError: a token is needed and there is none, or it isn't known.
            PolicyError: there are no tokens, and the address is in none of TRUSTED_NETWORKS.
        """
        if self._tokens is not None and self.is_by_token(authorization, peer):
            token = _token(authorization)
            if token is None:
                raise UnauthorizedError
            found = self._tokens.find(token)
            if found is None:
                raise UnauthorizedError(f"The token isn't known here: {_NEW}.")
            return Caller(*found)
        # Without networks the service listens on loopback alone.
        if self._tokens is None and (not self._networks or _is_loopback(peer)):
            return _LOCAL
        if self._trusts(peer):
            return _TRUSTED
        raise PolicyError(
            f"{peer} is in none of TRUSTED_NETWORKS, and this service has no tokens: {_NEW}."
        )

    def count_report(self, caller: Caller) -> None:
        """Count a new report against the rate of the caller's token.

        Raises:
            TooManyError: the rate is used up. The report isn't counted.
        """
        rate = caller.permissions.limit
        if rate is None:
            return
        limiter = self._counting()
        if not limiter.hit(rate, caller.name):
            free_at = limiter.get_window_stats(rate, caller.name).reset_time
            raise _used_up(rate, free_at)

    def _counting(self) -> "RateLimiter":
        with self._lock:
            if self._limiter is None:
                # Late, since it takes a while to import, and most tokens have no rate.
                from limits.storage import MemoryStorage  # noqa: PLC0415
                from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415

                self._limiter = MovingWindowRateLimiter(MemoryStorage())
            return self._limiter

    def _trusts(self, peer: str | None) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)


def _used_up(rate: "RateLimitItem", free_at: float) -> TooManyError:
    seconds = max(1, math.ceil(free_at - time.time()))
    return TooManyError(
        f"This token sends at most {rate.amount} reports per {_period(rate)}, and they are used "
        f"up. The report was not accepted: try again in {seconds} s.",
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
    # An IPv6 socket tells of IPv4 callers so.
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
