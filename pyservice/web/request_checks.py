"""Checks of a request's headers: whether it is for this service, and from its own pages."""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from pyservice.errors import ForeignPageError, MisdirectedError


def check_host(host: str, known: frozenset[str]) -> None:
    """Refuse a foreign Host header.

    If no token is needed, only the Host header distinguishes a program on this machine from a web
    page whose name resolves to this machine (DNS rebinding). Such a name is never an IP address.

    Args:
        host: the header's value.
        known: names of this service, besides localhost.

    Raises:
        MisdirectedError: it names another host.
    """
    name = _hostname(host)
    if name not in known and name != "localhost" and not _is_address(name):
        raise MisdirectedError(
            "The Host header names another host. Use the service's IP address, or set "
            "NOTIFY_EMAIL_PUBLIC_URL to the name by which you reach it."
        )


def check_origin(headers: Mapping[str, str], public: str, *, is_browser: bool = False) -> None:
    """Refuse a request that a foreign web page has a browser send (CSRF).

    Every browser says where such a request comes from, in Sec-Fetch-Site or at least in Origin, and
    no page can change that. Programs such as curl and Jenkins send neither.

    Args:
        headers: the request's.
        public: host and port of PUBLIC_URL; empty: there is none.
        is_browser: whether a cookie shows that it is no program.

    Raises:
        ForeignPageError: another site's page sends it, or a browser doesn't say which one does.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_own = site in {"same-origin", "none"}
    else:
        hosts = {headers.get("host", "").lower(), public}
        is_own = not is_browser if origin is None else _netloc(origin) in hosts
    if not is_own:
        raise ForeignPageError


def check_use(headers: Mapping[str, str]) -> None:
    """Refuse to be a part of a foreign web page: it may lead here, and load nothing.

    It could read nothing of it, but measure how long an answer takes and whether it is an error,
    and hold connections.

    Args:
        headers: the request's, which only reads. Without Sec-Fetch it is no browser's.

    Raises:
        ForeignPageError: another site's page loads it.
    """
    is_foreign = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    if is_foreign and headers.get("sec-fetch-mode", "navigate") != "navigate":
        raise ForeignPageError


def _netloc(origin: str) -> str | None:
    """Return host and port of an Origin header; None: it names none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _hostname(host: str) -> str:
    if host.startswith("["):
        address, _, rest = host[1:].partition("]")
        return host if rest and not rest.startswith(":") else address
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
