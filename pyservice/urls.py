"""URLs, URLs below others, and the parts of a job's full name."""

import re
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_NO_TLS = re.compile(r"WRONG_VERSION_NUMBER|record layer failure", re.IGNORECASE)


def is_web_address(text: str) -> bool:
    """Whether a text is an http or https URL with a host, and with a port that can be one."""
    try:
        parts = urlsplit(text)
        has_port = parts.port is None or parts.port > 0
    except ValueError:  # such as the port `abc` or 99999, or half of an IPv6 address
        return False
    is_web = parts.scheme in _PORTS and bool(parts.hostname)
    return is_web and has_port and text.isprintable() and " " not in text


def web_url(host: str, port: int, *, tls: bool) -> str:
    """Return the root URL of a server, without a slash at its end."""
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def without_user(url: str) -> str:
    """Return a URL without a user and a password. A text such as `git@host:path` stays as it is."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else url


def speaks_no_tls(error: Exception) -> bool:
    """Whether a failed handshake means that the server speaks plain HTTP at this port."""
    return _NO_TLS.search(str(error)) is not None


def job_names(job: str) -> list[str]:
    """Return the names of a job's folders and its own; empty: it is no full name."""
    names = job.split("/")
    return [] if {"", ".", ".."} & set(names) else names


def is_below(url: str, root: str) -> bool:
    """Whether a URL is below another for every program; a browser reads `\\` as `/`."""
    try:
        parts, allowed = urlsplit(url), urlsplit(root)
        if _origin(parts) != _origin(allowed):
            return False
    except ValueError:
        return False
    is_odd = "\\" in url or "@" in parts.netloc
    is_climbing = {".", ".."} & set(unquote(parts.path).replace("\\", "/").split("/"))
    return not is_odd and not is_climbing and f"{parts.path}/".startswith(f"{allowed.path}/")


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL, in one notation; empty: it is no URL."""
    try:
        scheme, host, port = _origin(urlsplit(url))
    except ValueError:
        return ""
    return f"{scheme}://{host}:{port}"


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = url.scheme.lower()
    return scheme, url.hostname, url.port or _PORTS.get(scheme)
