"""Renders a page, a part of one for htmx, or a part of a mail, each with its policy.

Pages load scripts and styles from this service alone, and have none inline. A mail's HTML contains
a build's untrusted text: a page shows it in a sandboxed frame, under a policy by which it can load
nothing and run nothing.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from pyservice import __version__
from pyservice.errors import RequestError
from pyservice.preview.parts import MEDIA_TYPES, Part, part
from pyservice.text import counted
from pyservice.web.browsers import LOGIN, login_path
from pyservice.web.dependencies import find_caller
from pyservice.web.static_files import static_url

NAVIGATION = (
    ("/", "Home"),
    ("/preview", "Previews"),
    ("/outbox", "Outbox"),
    ("/doctor", "Doctor"),
    ("/docs", "API"),
)
"""Address and name of each link at the top of a page."""
_OF_PREVIEWS = ("/checks/", "/compare")
"""Where the addresses of further pages about previews begin."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
"""The sandbox of a mail, and of its frame.

A page measures the mail, and the studio puts the next one into the frame, so the frame must be of
the same origin. That gives the mail itself nothing: only a script could use it, and without
`allow-scripts`, and by the mail's own policy, none runs. Both together would let a mail take its
sandbox away.
"""
MAIL_POLICY = (
    f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def page(
    request: Request,
    template: str,
    *,
    title: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> Response:
    """Return a page, from a template that extends `layout.html`.

    Args:
        request: what it answers: the navigation shows where the reader is.
        template: its name in `templates/`.
        title: of the browser's tab.
        status: HTTP's.
        headers: further ones.
        context: the template's variables.
    """
    context |= {
        "title": title,
        "navigation": NAVIGATION,
        "here": _section(request.url.path),
    }
    context["session_of"], context["login_at"] = _who(request)
    return _html(template, context, status, headers)


def fragment(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> Response:
    """Return a part of a page, which htmx puts into it. Its template's name begins with `_`."""
    context["here"] = _section(request.url.path)
    return _html(template, context, status, headers)


def mail_part(mail: bytes, wanted: Part) -> Response:
    """Return one part of a mail, read from the bytes that are sent."""
    headers = _headers(MAIL_POLICY)
    if wanted == "eml":
        headers["Content-Disposition"] = 'attachment; filename="preview.eml"'
    return Response(part(mail, wanted), headers=headers, media_type=MEDIA_TYPES[wanted])


def _html(
    template: str, context: dict[str, Any], status: int, headers: dict[str, str] | None = None
) -> Response:
    html = _environment.get_template(template).render(context)
    return HTMLResponse(html, status, _headers(PAGE_POLICY) | (headers or {}))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        # Not `no-referrer`: by that a form has no Origin. At an address with neither HTTPS nor
        # loopback a browser sends nothing else that shows the form to be of this service.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def _who(request: Request) -> tuple[str | None, str | None]:
    """Return whose session a request is of, and else where a person can log in, if at all."""
    state, service = request.state, request.app.state.service
    if not hasattr(state, "has_session"):  # such as an address that there isn't
        with suppress(RequestError, SQLAlchemyError):
            find_caller(request, service)
    if getattr(state, "has_session", False):
        return state.owner, None
    is_for_person = service.authenticator.has_tokens and "authorization" not in request.headers
    is_there = request.url.path == LOGIN
    return None, login_path(request) if is_for_person and not is_there else None


def _section(path: str) -> str:
    """Return the address of the link at the top of which `path` is a part; empty: of none."""
    if path.startswith(_OF_PREVIEWS):
        return "/preview"
    found = [at for at, _ in NAVIGATION if path == at or (at != "/" and path.startswith(f"{at}/"))]
    return max(found, key=len, default="")


def _time(value: float | datetime) -> Markup:
    """Return a time as an element that says it in UTC; `app.js` shows it in the reader's zone.

    Args:
        value: seconds since the epoch, or with its zone.
    """
    moment = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    shown = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        shown.isoformat(timespec="seconds"), f"{shown:%Y-%m-%d %H:%M} UTC"
    )


def _size(value: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{value} bytes" if value < 1024 else f"{value / 1024:.1f} KB"


_environment = Environment(
    loader=PackageLoader("pyservice.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"time": _time, "size": _size, "counted": counted}
_environment.globals |= {
    "static": static_url,
    "version": __version__,
    "mail_sandbox": SANDBOX,
}
