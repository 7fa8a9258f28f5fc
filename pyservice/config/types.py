"""The types of single values in the settings and in the tokens file, for pydantic.

A value that is wrong is a ValueError whose text names what is expected.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from pyservice.addresses import domain, mailboxes, pattern
from pyservice.patterns import compile_pattern
from pyservice.urls import is_web_address

MIN_PREFIX_LENGTH = 8
"""Bits of a trusted network's prefix, at least."""

T = TypeVar("T")


class AppliedOnReload:
    """Marks a setting that SIGHUP applies while the service runs."""


Live = Annotated[T, AppliedOnReload()]
"""The type of a setting that SIGHUP applies, such as `Live[int]`."""


def _split(value: object) -> object:
    """Return the items of a text that commas separate."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _split_lines(value: object) -> object:
    """Return the lines of a text: what stands on them may have commas."""
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return value


def check_ip_address(value: str) -> str:
    """Return an IP address as it is written.

    Raises:
        ValueError: it is no IP address.
    """
    try:
        ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None
    return value


def check_jenkins_url(value: str) -> str:
    """Return a controller's root URL without a slash at its end.

    Raises:
        ValueError: it is no URL, or has a user, a query or a fragment.
    """
    if not is_web_address(value) or "@" in (parts := urlsplit(value)).netloc:
        raise ValueError("it is not Jenkins' address, such as https://ci.example.com")
    if parts.query or parts.fragment:
        raise ValueError("it is more than Jenkins' address; leave out what begins at ? or #")
    return value.rstrip("/")


def _check_network(value: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is no network, such as 172.17.0.0/16") from None
    if ip_interface(value).ip != network.network_address:
        raise ValueError(f"{value} has host bits set; write {network}")
    if network.prefixlen < MIN_PREFIX_LENGTH:
        raise ValueError(
            f"{value} lets nearly everybody send; name networks of /{MIN_PREFIX_LENGTH} or smaller"
        )
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError(
            f"{value} is an IPv4 network in IPv6's notation; write it as 172.17.0.0/16"
        )
    return network


def _check_rate(value: str) -> str:
    # Late: it takes 30 ms to import, and most settings name no rate.
    from limits import parse_many  # noqa: PLC0415

    try:
        rates = parse_many(value)
    except ValueError:
        rates = []
    if len(rates) != 1 or rates[0].amount < 1 or rates[0].get_expiry() < 1:
        raise ValueError(f"{value!r} is no rate, such as 100/hour or 10/5 minutes")
    return value


def _check_rate_limit(value: str) -> str:
    scope, _, rate = (part.strip() for part in value.partition("="))
    if scope not in {"job", "recipient", "all"}:
        raise ValueError(f"{value!r} does not begin with job=, recipient= or all=")
    return f"{scope}={_check_rate(rate)}"


def _check_secret_pattern(value: str) -> str:
    try:
        regexp = compile_pattern(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no pattern of RE2: {error}") from None
    if regexp.groups > 1:
        raise ValueError(f"{value!r} has several groups; write (?:…) for all but the secret's")
    if regexp.search(""):
        raise ValueError(f"{value!r} matches an empty text, so it would match everywhere")
    return value


def _check_address(value: str) -> str:
    boxes = list(mailboxes(value))
    if len(boxes) != 1:
        raise ValueError(f"it is {len(boxes)} addresses; write one")
    return boxes[0].address


Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(check_ip_address)], ...], BeforeValidator(_split)
]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_check_network)], ...],
    BeforeValidator(_split),
]
Address = Annotated[str, AfterValidator(_check_address)]
Domains = Annotated[tuple[Annotated[str, AfterValidator(domain)], ...], BeforeValidator(_split)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(pattern)], ...], BeforeValidator(_split)]
Rate = Annotated[str, AfterValidator(_check_rate)]
Rates = Annotated[
    tuple[Annotated[str, AfterValidator(_check_rate_limit)], ...], BeforeValidator(_split)
]
SecretPatterns = Annotated[
    tuple[Annotated[str, AfterValidator(_check_secret_pattern)], ...], BeforeValidator(_split_lines)
]
Port = Annotated[int, Field(ge=1, le=65535)]
