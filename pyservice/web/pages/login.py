"""The pages by which a person begins and ends a session: a token is given once."""

from typing import Annotated
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pyservice.auth import sessions
from pyservice.errors import UnauthorizedError
from pyservice.web.browsers import HTMX, LOGIN, cookie_name, is_secure, local_path
from pyservice.web.dependencies import ServiceDep, Visitor, peer
from pyservice.web.pages.page import page

_SAFE = ":/%#?=@[]!$&'()*+,;"
"""What stays as it is in an address, as in Starlette's redirects."""

_log = structlog.get_logger()
router = APIRouter(include_in_schema=False)


@router.get(LOGIN)
def get_login(
    request: Request,
    service: ServiceDep,
    visitor: Visitor,
    wanted: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """Return the page with the form; who has a session is led on.

    A browser keeps the session's cookie to itself when a link of another site leads here. So the
    page asks once more by itself.
    """
    at = local_path(wanted)
    is_known = visitor is not None or not service.authenticator.has_tokens
    if HTMX in request.headers:
        return Response(
            status_code=204, headers={"HX-Redirect": quote(at, safe=_SAFE)} if is_known else {}
        )
    if is_known:
        return RedirectResponse(at, 303)
    return _page(request, at)


@router.post(LOGIN)
async def log_in(
    request: Request,
    service: ServiceDep,
    token: Annotated[str, Form()] = "",
    wanted: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Begin a session, and lead to what the person wanted to see."""
    at = local_path(wanted)
    if not service.authenticator.has_tokens:
        return RedirectResponse(at, 303)
    try:
        cookie = await run_in_threadpool(service.sessions.start, token.strip(), peer(request))
    except UnauthorizedError as error:
        if times := service.wrong_tokens.times():
            _log.warning("login.refused", address=peer(request), times=times)
        return _page(request, at, error)
    response = RedirectResponse(at, 303)
    response.set_cookie(
        cookie_name(service.settings),
        cookie,
        max_age=sessions.MAX_AGE,
        secure=is_secure(request, service.settings),
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/logout")
async def log_out(request: Request, service: ServiceDep) -> Response:
    """End a session: the browser forgets it."""
    response = RedirectResponse(LOGIN, 303)
    response.delete_cookie(
        cookie_name(service.settings),
        secure=is_secure(request, service.settings),
        httponly=True,
        samesite="strict",
    )
    return response


def _page(request: Request, at: str, error: UnauthorizedError | None = None) -> Response:
    return page(
        request,
        "login.html",
        title="Log in",
        status=error.status if error else 200,
        at=at,
        error=error and error.detail,
    )
