"""Finds out who calls: by a token, by the caller's network, or as a program on this machine."""

import base64
import binascii
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from pyservice.auth.permissions import Act, Permissions
from pyservice.auth.tokens import LOCAL, TRUSTED, Tokens
from pyservice.config.settings import Settings
from pyservice.config.sources import PREFIX
from pyservice.errors import NotFoundError, PolicyError, RateExceededError, UnauthorizedError
from pyservice.policy.rate_limits import MAX_SUBJECTS, Usage

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
    address: str | None = None
    """Where a caller without a token calls from: its reports are counted by it."""

    @property
    def owner_filter(self) -> str | None:
        """Whose reports it sees and changes, within the jobs of its token; None: everybody's."""
        return None if self.name == LOCAL or "operate" in self.permissions.may else self.name

    def may_see(self, owner: str | None, job: str | None) -> bool:
        """Return whether it may see what is an owner's and a job's; None: it is nobody's."""
        is_own = self.owner_filter is None or owner in {None, self.owner_filter}
        return is_own and (job is None or self.permissions.has_job(job))

    def require_report(self, owner: str, job: str) -> None:
        """Refuse a report that is another owner's and of another job, or of a job that was its own.

        Raises:
            NotFoundError: the caller can't know that it is there.
            PolicyError: the caller's token was for the report's job, and is no longer.
        """
        if owner != self.name and not self.permissions.has_job(job):
            raise NotFoundError("There is no such report.")
        self.permissions.check_job(job)

    def require(self, act: Act) -> None:
        """Refuse an act that the caller has no permission for.

        Raises:
            PolicyError: says what the caller may do.
        """
        if self.name == TRUSTED and act not in self.permissions.may:
            raise PolicyError(
                "A caller from NOTIFY_EMAIL_TRUSTED_NETWORKS without a token may send reports and "
                f"nothing else. With a token it may do more: {_HOW_TO_GET_ONE}."
            )
        self.permissions.require(act)


_LOCAL = Caller(LOCAL, Permissions())


class Authenticator:
    """Finds the caller of each request, and counts its reports. Thread-safe.

    A caller's address is that of its connection. A header could lie about it.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the tokens file, if there is one.

        Raises:
            ConfigurationError: the file can't be used.
        """
        self._tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
        self._networks = settings.trusted_networks
        if self._networks:
            self._trusted = Permissions(may=("send",), rate=settings.trusted_rate)
        self._limiter: RateLimiter | None = None
        self._counted: OrderedDict[tuple[str, str], str] = OrderedDict()
        """By the name and address of each caller, its rate; the last ones that were counted."""
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
            return Caller(TRUSTED, self._trusted, str(_address(peer)))
        raise PolicyError(
            f"{peer} is in none of NOTIFY_EMAIL_TRUSTED_NETWORKS, and this service has no tokens: "
            f"{_HOW_TO_GET_ONE}."
        )

    @property
    def has_tokens(self) -> bool:
        """Whether there is a tokens file, so that a person logs in."""
        return self._tokens is not None

    def fingerprint(self, name: str) -> str | None:
        """Return what changes when another token gets this name; None: there is none."""
        return self._tokens.fingerprint(name) if self._tokens else None

    def resume(self, name: str, fingerprint: str) -> Caller | None:
        """Return the caller of a token by its name; None: it was removed or replaced meanwhile."""
        known = self.permissions_of(name)
        if known is None or self.fingerprint(name) != fingerprint:
            return None
        return Caller(name, known)

    def permissions_of(self, owner: str) -> Permissions | None:
        """Return what the token of a report's owner may do now; None: it has no token."""
        return self._tokens.permissions_of(owner) if self._tokens else None

    def count_report(self, caller: Caller) -> None:
        """Count a new report against the rate of the caller's token, or of its address.

        Raises:
            RateExceededError: the rate is used up. The report isn't counted.
        """
        rate = caller.permissions.limit
        if rate is None:
            return
        limiter, key = self._rate_limiter(), (caller.name, caller.address or "")
        self._remember(key, str(caller.permissions.rate))
        if not limiter.hit(rate, *key):
            free_at = limiter.get_window_stats(rate, *key).reset_time
            raise _rate_used_up(caller, rate, free_at)

    def usage(self, owner: str | None) -> list[Usage]:
        """Return how much of the tokens' rates is used.

        Args:
            owner: the name of one token; None: all of them.
        """
        with self._lock:
            limiter, counted = self._limiter, list(self._counted.items())
        if limiter is None:
            return []
        from limits import parse  # noqa: PLC0415 - late as below

        found = []
        for (name, address), rate in counted:
            item = parse(rate)
            used = item.amount - limiter.get_window_stats(item, name, address).remaining
            if used > 0 and owner in {None, name}:
                found.append(Usage(rate, name, address, used, item.amount))
        return found

    def _remember(self, key: tuple[str, str], rate: str) -> None:
        with self._lock:
            self._counted[key] = rate
            self._counted.move_to_end(key)
            while len(self._counted) > MAX_SUBJECTS:
                self._counted.popitem(last=False)

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


def _rate_used_up(caller: Caller, rate: "RateLimitItem", free_at: float) -> RateExceededError:
    seconds = max(1, math.ceil(free_at - time.time()))
    most = f"{rate.amount} reports per {_period(rate)}"
    rule = (
        f"The token's rate is used up: it may send at most {most}."
        if caller.name != TRUSTED
        else f"{PREFIX}TRUSTED_RATE is used up: without a token {caller.address} may send at most "
        f"{most}."
    )
    return RateExceededError(
        f"{rule} The report was not accepted: try again in {seconds} s.", retry_after=seconds
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
