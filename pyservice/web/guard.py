"""Keeps foreign web pages out: what they send comes with the browser's address and session."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from fastapi import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pyservice.errors import RequestError
from pyservice.web.bodies import limited_form
from pyservice.web.browsers import LOGIN, session_cookie
from pyservice.web.dependencies import Service, peer
from pyservice.web.request_checks import check_host, check_origin, check_use

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_NO_FRAMES = (b"content-security-policy", b"frame-ancestors 'none'")


class Guard:
    """Middleware around all routes: of the API, of pages, and those that FastAPI makes itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request unless a foreign page sends it; no page may frame the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_without_frames(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if not any(name == _NO_FRAMES[0] for name, _ in headers):
                    message["headers"] = [*headers, _NO_FRAMES]
            await send(message)

        app = self._app
        request = Request(scope)
        try:
            _check(request)
            if request.headers.get("content-type", "").lower().startswith(_FORMS):
                receive = limited_form(request, receive)
        except RequestError as error:
            if _is_served(scope, request.app.routes):
                app = request.app.exception_handlers[RequestError](request, error)
        await app(scope, receive, send_without_frames)


def _check(request: Request) -> None:
    service: Service = request.app.state.service
    own = urlsplit(service.settings.public_url or "")
    authorization = request.headers.get("authorization")
    is_session = session_cookie(request, service.settings) is not None
    is_login = request.url.path == LOGIN
    if (
        is_session
        or is_login
        or not service.authenticator.needs_token(authorization, peer(request))
    ):
        known = frozenset({own.hostname} if own.hostname else ())
        check_host(request.headers.get("host", ""), known)
    if request.method in {"GET", "HEAD"}:
        check_use(request.headers)
    else:
        check_origin(request.headers, own.netloc, is_browser=is_session)


def _is_served(scope: Scope, routes: Iterable[BaseRoute]) -> bool:
    """Return whether there is a route; without one the answer is 404 in any case."""
    return any(route.matches(scope)[0] is not Match.NONE for route in routes)
