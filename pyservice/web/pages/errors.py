"""The page of an error: what happened, and what a person can do about it."""

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from pyservice.web.browsers import HTMX, local_path, login_path
from pyservice.web.dependencies import Service
from pyservice.web.pages.page import fragment, page
from pyservice.web.problems import Refusal

_ADVICE = {
    401: "Nothing was changed: log in, and do it again.",  # a page alone would lead to the login
    403: "Use a token that may do this, or ask the administrator of this service for one.",
    404: "Start from one of the pages above. A report is removed some time after it has ended.",
    405: "Go back to the page from which you came.",
    421: "Ask the administrator of this service for its address.",
    422: "Correct the address, or go back to the page from which you came.",
    429: "Wait as long as the message says, then load this page again.",
    503: "Load this page again in a minute. The page Doctor shows what is wrong.",
    500: "The page Doctor may show more.",
}


def error_page(request: Request, refused: Refusal) -> Response:
    """Return an error as a page, or for htmx as a part of one; or the way to log in."""
    service: Service = request.app.state.service
    problem, headers = refused.problem, dict(refused.headers)
    is_part = HTMX in request.headers
    # Who sends from a trusted network needs no token for that, and one to see anything.
    is_nobody = not getattr(request.state, "has_session", False) and (
        "authorization" not in request.headers
    )
    needs_login = problem.status == 401 or (problem.status == 403 and is_nobody)
    if needs_login and service.authenticator.has_tokens:
        # Not with its challenge: the browser would ask for a password before it shows the page.
        headers.pop("WWW-Authenticate", None)
        at = login_path(request)
        if is_part:
            headers["HX-Redirect"] = at
        elif request.method in {"GET", "HEAD"}:
            return RedirectResponse(at, 303)
    path = request.url.path
    if problem.status == 404 and path.endswith("/") and not is_part:  # as people type it
        return RedirectResponse(local_path(path.rstrip("/")), 303)
    advice = _ADVICE.get(problem.status, "")
    context = {"problem": problem, "advice": advice, "is_part": is_part}
    if is_part:
        return fragment(request, "_error.html", status=problem.status, headers=headers, **context)
    return page(
        request,
        "error.html",
        title=problem.title,
        status=problem.status,
        headers=headers,
        **context,
    )
