"""Checks a request before it reaches its route: its Host header, its body's type and size."""

import asyncio
from ipaddress import ip_address

from fastapi import Request

from pyservice.errors import BodyTimeoutError, MediaTypeError, MisdirectedError, TooLargeError
from pyservice.web.limits import HttpLimits


async def read_body(request: Request) -> bytes:
    """Return the body of a JSON request.

    Raises:
        BodyTimeoutError: it did not arrive within `HttpLimits.body_time`.
        MediaTypeError: its media type isn't JSON, or it is compressed. A form on a foreign web page
            can't declare its body as JSON.
        TooLargeError: it is larger than `HttpLimits.max_body`. The rest is read and dropped, up to
            16 times that size, so that a caller which is still sending gets the answer.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeError
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise MediaTypeError("The report is compressed. Send it without a Content-Encoding.")
    limits: HttpLimits = request.app.state.service.limits
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(limits.body_time):
            async for chunk in request.stream():
                length += len(chunk)
                if length <= limits.max_body:
                    body += chunk
                elif length > 16 * limits.max_body:
                    break
    except TimeoutError:
        raise BodyTimeoutError(
            f"The request's body did not arrive within {limits.body_time:g} s. "
            "Check the network between Jenkins and the service."
        ) from None
    if length > limits.max_body:
        raise TooLargeError(
            f"The report has more than {limits.max_body} bytes. Send fewer changes or less data."
        )
    return bytes(body)


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
            "The Host header names another host. Use the service's IP address, or set PUBLIC_URL "
            "to the name by which you reach it."
        )


def _hostname(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
