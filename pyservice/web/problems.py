"""Errors of requests: what is answered, and how programs read it: problem+json (RFC 9457)."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
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
    BodyTimeoutError,
    BusyError,
    NotFoundError,
    OutboxFullError,
    RateExceededError,
    RequestError,
    TooLargeError,
    UnauthorizedError,
)
from pyservice.metrics import Metrics
from pyservice.outbox.engines import cause
from pyservice.text import shorten
from pyservice.validation import explain
from pyservice.web.browsers import HTMX, prefers_html

MAX_POINTER = 1000
"""Characters of a JSON pointer; a caller may have named a member with a million."""
RETRY_AFTER = 30
"""Seconds after which a caller may try again that was answered 503."""

_POST_REPORT = ("POST", "/v1/reports")
_log = structlog.get_logger()


class Member(BaseModel):
    """One member of a report that is wrong or was left out."""

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


def problem_responses(*statuses: int | Literal["default"]) -> dict[int | str, dict[str, Any]]:
    """Return the answers that are a problem, as FastAPI's `responses`; app.py adds the schema."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"content": {"application/problem+json": {"schema": schema}}} for status in statuses
    }


@dataclass(frozen=True)
class Refusal:
    """A problem with the headers of its answer."""

    problem: Problem
    headers: dict[str, str]


Renderer = Callable[[Request, Refusal], Response]
"""Shows a refusal to a person."""


def refusal(
    status: int,
    title: str,
    detail: str,
    errors: list[Member] | None = None,
    headers: dict[str, str] | None = None,
) -> Refusal:
    """Return a problem with the headers of its answer."""
    problem = Problem(title=title, status=status, detail=detail, errors=errors or [])
    return Refusal(problem, headers or {})


def problem_response(refused: Refusal) -> Response:
    """Return a refusal as a program reads it."""
    problem, headers = refused.problem, refused.headers
    media_type = "application/problem+json"
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type=media_type)


def too_many_connections() -> Response:
    """Return the answer to a connection that the server has no room for."""
    headers = {"Retry-After": str(RETRY_AFTER), "Connection": "close"}
    detail = "The service has too many connections. The report was not accepted: try again later."
    return problem_response(refusal(503, "Service unavailable", detail, headers=headers))


def add_exception_handlers(app: FastAPI, metrics: Metrics, as_page: Renderer) -> None:
    """Let `app` answer every error, and count it: a program gets problem+json, a person a page.

    Args:
        app: the service.
        metrics: counts the refusals.
        as_page: makes the answer for a browser.
    """

    def counted(handler: Callable[[Request, Exception], Refusal]) -> Any:
        def respond(request: Request, error: Exception) -> Response:
            refused = handler(request, error)
            status = refused.problem.status
            metrics.request_refused(status)
            if status == 503 and (request.method, request.url.path) == _POST_REPORT:
                reason = error.detail if isinstance(error, RequestError) else cause(error)
                request.app.state.service.readiness.report_answered(reason)
            is_for_person = prefers_html(request.headers) or HTMX in request.headers
            response = as_page(request, refused) if is_for_person else problem_response(refused)
            response.headers.add_vary_header("Accept")
            return response

        return respond

    app.add_exception_handler(RequestError, counted(_handle_request_error))
    app.add_exception_handler(HTTPException, counted(_handle_http_exception))
    app.add_exception_handler(RequestValidationError, counted(_handle_invalid_parameters))
    app.add_exception_handler(SQLAlchemyError, counted(_handle_database_error))
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(Exception, counted(_handle_unexpected_error))


def _handle_request_error(request: Request, error: Exception) -> Refusal:
    assert isinstance(error, RequestError)  # noqa: S101 - Starlette's types are less precise
    is_for_now = isinstance(error, BusyError | OutboxFullError)
    times = 1
    if not hasattr(request.state, "owner"):  # a stranger must not fill the log
        times = request.app.state.service.strangers[error.status].times()
    if times:
        (_log.warning if is_for_now else _log.info)(
            "request.refused",
            owner=getattr(request.state, "owner", None),
            method=request.method,
            status=error.status,
            wrong=error.count,
            pointers=[pointer[:100] for pointer, _ in error.errors[:5]],
            times=times,
        )
    headers = {"Retry-After": str(RETRY_AFTER)} if is_for_now else {}
    if isinstance(error, RateExceededError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, BodyTimeoutError | TooLargeError):
        headers["Connection"] = "close"  # the server doesn't wait for the rest of the body
    if isinstance(error, UnauthorizedError):
        # A browser asks its user for the token if it is challenged with Basic.
        challenge = 'Basic realm="notify-email", charset="UTF-8", Bearer realm="notify-email"'
        headers["WWW-Authenticate"] = challenge
    return refusal(
        error.status,
        error.title,
        error.detail,
        [Member(pointer=shorten(at, MAX_POINTER), detail=detail) for at, detail in error.errors],
        headers,
    )


def _handle_http_exception(request: Request, error: Exception) -> Refusal:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, RequestError):  # which FastAPI met while it read a form
        return _handle_request_error(request, error.__cause__)
    title = HTTPStatus(error.status_code).phrase.capitalize()
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == 405 and (methods := _documented_methods(request)):
        headers["Allow"] = ", ".join(methods)
    detail = {
        404: NotFoundError().detail,
        405: f"This address does not take {request.method} requests.",
    }.get(error.status_code, f"{error.detail}.")
    return refusal(error.status_code, title, detail, headers=headers)


def _documented_methods(request: Request) -> list[str]:
    """Return all methods of a path: the router names those of the first matching route only."""
    path = getattr(request.scope.get("route"), "path", "")
    return sorted(method.upper() for method in request.app.openapi()["paths"].get(path, {}))


def _handle_invalid_parameters(_: Request, error: Exception) -> Refusal:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    parameters = [(".".join(map(str, e["loc"][1:])), explain(e)) for e in error.errors()]
    detail = "; ".join(f"{name}: {message}" for name, message in parameters)
    return refusal(422, "Invalid parameter", f"{detail}.")


def _handle_database_error(_: Request, error: Exception) -> Refusal:
    reason = cause(error)
    detail = f"The outbox can't be used: {reason}. The report was not accepted."
    headers = {"Retry-After": str(RETRY_AFTER)}
    return refusal(503, "Service unavailable", detail, headers=headers)


def _handle_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # the caller is gone: nobody reads it


def _handle_unexpected_error(request: Request, error: Exception) -> Refusal:
    _log.error("request.error", method=request.method, exc_info=error)
    detail = (
        "The service failed because of a defect. The report may not have been accepted. "
        "Ask the administrator to look into the service's log."
    )
    return refusal(500, "Internal error", detail)
