"""Checks a relay host and the like before Postfix gets them: it takes nearly any text at first."""

import re
import socket
from contextlib import suppress
from ipaddress import ip_address

from pyservice.errors import SetupError

_DESTINATION = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>.*))?", re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|mailto:", re.IGNORECASE)
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"(?=.{{1,255}}$)(?=.*[A-Za-z]){_LABEL}(?:\.{_LABEL})*")


def check_relay_host(value: str) -> None:
    """Check a value of relayhost, such as `[smtp.example.com]:587`.

    Several, separated by commas, and Postfix' `$names` are allowed, too.

    Raises:
        SetupError: that is no host; the message names the mistake and what may be meant.
    """
    for destination in value.split(","):
        if mistake := _find_mistake(destination):
            guess = _guess(destination)
            cure = f"Do you mean {guess}?" if guess else "Write it like [smtp.example.com]:587."
            raise SetupError(f"--relayhost {destination!r} {mistake}. {cure}")


def check_domain(option: str, value: str) -> None:
    """Check a value of myhostname or myorigin, as far as Postfix itself does not.

    Raises:
        SetupError: that is a URL or an address.
    """
    if _URL.match(value) or "@" in value:
        host = _host_of(value).strip("[]")
        cure = f"Do you mean {host}?" if _HOST_NAME.fullmatch(host) else "Write ci.example.com."
        raise SetupError(f"{option} {value!r} is no domain. {cure}")


def _find_mistake(destination: str) -> str | None:
    match = _DESTINATION.fullmatch(destination)
    port = match["port"] if match else None
    mistakes = {
        "is a URL, and Postfix takes a host": _URL.match(destination),
        "names a user, which belongs in the file of --sasl-password-file": "@" in destination,
        "has a blank in it": set(destination) & set(" \t\r\n"),
        "is an IPv6 address without brackets": _is_ipv6(destination),
        "is no host": match is None or not _is_host(match["host"]),
        f"has no port: {port!r} is neither a number up to 65535 nor a service": (
            port is not None and not _is_port(port)
        ),
    }
    if "$" in destination:
        return None
    return next((mistake for mistake, is_made in mistakes.items() if is_made), None)


def _guess(destination: str) -> str | None:
    """Return the destination that is likely meant; None: it can't be guessed."""
    host = _host_of(destination)
    guesses = [host, f"[{host.strip('[]')}]", host.partition("]")[0] + "]"]
    if not _is_ipv6(host):
        plain, _, port = host.replace("[", "").replace("]", "").partition(":")
        with suppress(UnicodeError):
            plain = plain.encode("idna").decode()
        guesses += [f"[{plain}]:{port}", f"[{plain}]"]
    return next((guess for guess in guesses if not _find_mistake(guess)), None)


def _host_of(text: str) -> str:
    """Return host and port of a URL or an address; a host that a URL names is no mail domain."""
    text = text.strip()
    url = _URL.match(text)
    bare = text[url.end() :] if url else text
    host = bare.rpartition("@")[2].partition("/")[0].strip().strip(".")
    if url and not host.startswith("[") and not _is_ipv6(host):
        name, colon, port = host.partition(":")
        return f"[{name}]{colon}{port}"
    return host


def _is_host(text: str) -> bool:
    name = text[1:-1].removeprefix("ipv6:") if text.startswith("[") else text
    if text.startswith("[") and _is_ipv6(name):
        return True
    with suppress(ValueError):
        return ip_address(name).version == 4
    return _HOST_NAME.fullmatch(name) is not None


def _is_ipv6(text: str) -> bool:
    with suppress(ValueError):
        return ip_address(text).version == 6
    return False


def _is_port(text: str) -> bool:
    if text.isascii() and text.isdigit():
        return 0 < int(text[:6]) <= 65535
    with suppress(OSError):
        return socket.getservbyname(text, "tcp") > 0
    return False
