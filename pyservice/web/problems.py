"""What goes wrong with a request, told as problem+json (RFC 9457), and the limits before that."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Literal

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from pyservice.errors import (
    FullError,
    MediaTypeError,
    MisdirectedError,
    RequestError,
    SlowError,
    TooLargeError,
    TooManyError,
    UnauthorizedError,
)
from pyservice.metrics import Metrics
from pyservice.outbox.engines import cause

MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""
BODY_TIME = 30.0
"""Seconds for the whole of it."""
_DRAINED = 16 * MAX_BODY
RETRY_AFTER = 30
"""Seconds, told with a 503."""

_log = structlog.get_logger()


class Member(BaseModel):
    """One wrong member of a report."""

    pointer: str
    """JSON pointer (RFC 6901)."""
    detail: str


class Problem(BaseModel):
    """A request that could not be served."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Member] = []
    """The first of them; `detail` says how many more there are."""


def described(*statuses: int | Literal["default"]) -> dict[int | str, dict[str, Any]]:
    """Answers that are a problem, as FastAPI's `responses`; app.py adds the schema."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"content": {"application/problem+json": {"schema": schema}}} for status in statuses
    }


async def read_body(request: Request) -> bytes:
    """A JSON request's body, as bytes.

    Raises:
        SlowError: it isn't here after BODY_TIME.
        MediaTypeError: it isn't said to be JSON, or it is compressed. A foreign page's form can't
            say that it is JSON.
        TooLargeError: it is longer than MAX_BODY. What follows is read and dropped up to a
            limit, so that a caller who is still sending hears the answer.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeError
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise MediaTypeError("Send the report as it is: a Content-Encoding is not understood here.")
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_TIME):
            async for chunk in request.stream():
                length += len(chunk)
                if length <= MAX_BODY:
                    body += chunk
                elif length > _DRAINED:
                    break
    except TimeoutError:
        raise SlowError(f"The body was not here after {BODY_TIME:g} s.") from None
    if length > MAX_BODY:
        raise TooLargeError(f"The body is over {MAX_BODY} bytes: send fewer changes or less data.")
    return bytes(body)


def check_host(host: str, known: frozenset[str]) -> None:
    """Refuse a foreign Host header.

    Where no token is needed, the Host header is what tells a program on this machine from a web
    page whose name was made to point at it (DNS rebinding). An address is no such name.

    Args:
        host: the header's value.
        known: names of this service, beside localhost.

    Raises:
        MisdirectedError: it names another host.
    """
    name = _hostname(host)
    if name not in known and name != "localhost" and not _is_address(name):
        raise MisdirectedError(
            "The Host header names another host. Use the service's address, or set PUBLIC_URL to "
            "the name that you reach it by."
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


def install(app: FastAPI, metrics: Metrics) -> None:
    """Answer every error of `app` as problem+json, and count it."""

    def counted(handler: Callable[[Request, Exception], Response]) -> Any:
        def answer(request: Request, error: Exception) -> Response:
            response = handler(request, error)
            metrics.request_refused(response.status_code)
            return response

        return answer

    app.add_exception_handler(RequestError, counted(_on_request_error))
    app.add_exception_handler(HTTPException, counted(_on_http_exception))
    app.add_exception_handler(RequestValidationError, counted(_on_validation_error))
    app.add_exception_handler(SQLAlchemyError, counted(_on_outbox_error))
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, counted(_on_bug))


def _on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - Starlette's types say less than it does
    is_full = isinstance(error, FullError)
    (_log.warning if is_full else _log.info)(
        "request.refused",
        owner=getattr(request.state, "owner", None),
        method=request.method,
        status=error.status,
        wrong=error.count,
        pointers=[pointer[:100] for pointer, _ in error.errors[:5]],
    )
    headers = {"Retry-After": str(RETRY_AFTER)} if is_full else {}
    if isinstance(error, TooManyError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, SlowError | TooLargeError):
        headers["Connection"] = "close"  # the rest of the body isn't waited for
    if isinstance(error, UnauthorizedError):
        # A browser asks for the token when it is challenged with Basic.
        challenge = 'Basic realm="notify-email", charset="UTF-8", Bearer realm="notify-email"'
        headers["WWW-Authenticate"] = challenge
    return answer(
        error.status,
        error.title,
        error.detail,
        [Member(pointer=pointer, detail=detail) for pointer, detail in error.errors],
        headers,
    )


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    title = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == 405 and (methods := _documented_methods(request)):
        headers["Allow"] = ", ".join(methods)
    return answer(error.status_code, title, f"{error.detail}.", headers=headers)


def _documented_methods(request: Request) -> list[str]:
    """A path's; the router names only those of the first route that has it."""
    path = getattr(request.scope.get("route"), "path", "")
    return sorted(method.upper() for method in request.app.openapi()["paths"].get(path, {}))


def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    told = [(".".join(map(str, e["loc"][1:])), str(e["msg"])) for e in error.errors()]
    detail = "; ".join(f"{name}: {message}" for name, message in told)
    return answer(422, "Invalid parameter", f"{detail}.")


def _on_outbox_error(_: Request, error: Exception) -> Response:
    reason = cause(error)
    _log.error("outbox.error", reason=reason)
    detail = f"The outbox can't be used: {reason}. The report was not accepted."
    headers = {"Retry-After": str(RETRY_AFTER)}
    return answer(503, "Service unavailable", detail, headers=headers)


def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody hears it


def _on_bug(request: Request, error: Exception) -> Response:
    _log.error("request.error", method=request.method, exc_info=error)
    detail = "The service failed; its log tells more. The report may not have been accepted."
    return answer(500, "Internal error", detail)


def busy() -> Response:
    """The answer while there are more connections than can be served."""
    headers = {"Retry-After": str(RETRY_AFTER), "Connection": "close"}
    detail = "The service has too many connections. The report was not accepted: try again later."
    return answer(503, "Service unavailable", detail, headers=headers)


def answer(
    status: int,
    title: str,
    detail: str,
    errors: list[Member] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem as a response."""
    problem = Problem(title=title, status=status, detail=detail, errors=errors or [])
    return JSONResponse(
        problem.model_dump(), status, headers, media_type="application/problem+json"
    )
