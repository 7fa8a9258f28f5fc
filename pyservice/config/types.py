"""How single values are written in the settings and in the tokens file: types for pydantic.

What is written otherwise is a ValueError whose text names what is expected.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from pyservice.addresses import domain, mailboxes, pattern

SHORTEST_PREFIX = 8
"""Bits of a network's prefix that may be trusted, at least."""


def _list(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def ip_text(value: str) -> str:
    """An IP address as it is written.

    Raises:
        ValueError: it is none.
    """
    try:
        ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None
    return value


def controller(value: str) -> str:
    """A controller's root URL, without a slash at its end.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("it is Jenkins' address, such as https://ci.example.com")
    if parts.query or parts.fragment:
        raise ValueError("it is Jenkins' address alone, such as https://ci.example.com")
    return value.rstrip("/")


def _network(value: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no network, such as 172.17.0.0/16: {error}") from None
    if network.prefixlen < SHORTEST_PREFIX:
        raise ValueError(f"{value} is as good as everybody: name networks of /8 or smaller")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError(f"{value}: write an IPv4 network as one, such as 172.17.0.0/16")
    return network


def _rate(value: str) -> str:
    # Late, since it takes a while to import, and most name no rate.
    from limits import parse_many  # noqa: PLC0415

    try:
        rates = parse_many(value)
    except ValueError:
        rates = []
    if len(rates) != 1 or rates[0].amount < 1 or rates[0].get_expiry() < 1:
        raise ValueError(f"{value!r} is no rate, such as 100/hour or 10/5 minutes")
    return value


def _scoped(value: str) -> str:
    scope, _, rate = (part.strip() for part in value.partition("="))
    if scope not in {"job", "recipient", "all"}:
        raise ValueError(f"{value!r} begins with none of job=, recipient= and all=")
    return f"{scope}={_rate(rate)}"


def _address(value: str) -> str:
    boxes = list(mailboxes(value))
    if len(boxes) != 1:
        raise ValueError("it is one mail address")
    return boxes[0].address


Addresses = Annotated[tuple[Annotated[str, AfterValidator(ip_text)], ...], BeforeValidator(_list)]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...],
    BeforeValidator(_list),
]
Address = Annotated[str, AfterValidator(_address)]
Domains = Annotated[tuple[Annotated[str, AfterValidator(domain)], ...], BeforeValidator(_list)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(pattern)], ...], BeforeValidator(_list)]
Rate = Annotated[str, AfterValidator(_rate)]
Rates = Annotated[tuple[Annotated[str, AfterValidator(_scoped)], ...], BeforeValidator(_list)]
Port = Annotated[int, Field(ge=1, le=65535)]
