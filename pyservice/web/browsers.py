"""What distinguishes a person with a browser from a program: headers, and the session's cookie."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from fastapi import Request

from pyservice.config.settings import Settings

LOGIN = "/login"
"""The address of the page by which a person begins a session."""
HTMX = "hx-request"
"""The header of a request by which htmx renews a part of a page."""
_JAVA = "text/html,image/gif,image/jpeg,*"
"""The beginning of what it sends unless it is told otherwise, without blanks: no browser does."""
_JSON = ("application/json", "application/problem+json")


def prefers_html(headers: Mapping[str, str]) -> bool:
    """Return whether Accept names HTML, and no JSON before it. Programs accept JSON or anything.

    Java's HttpURLConnection, by which a trusted library reports, claims to prefer HTML.
    """
    accept = headers.get("accept", "").lower().replace(" ", "")
    if accept.startswith(_JAVA):
        return False
    quality: dict[str, float] = {}
    for part in accept.split(","):
        media_type, *parameters = part.split(";")
        quality[media_type] = min((_quality(parameter) for parameter in parameters), default=1.0)
    html = quality.get("text/html", 0.0)
    return html > 0 and html >= max(quality.get(media_type, 0.0) for media_type in _JSON)


def cookie_name(settings: Settings) -> str:
    """Return the name of the session's cookie. A host's ports share cookies, so it has the port."""
    return f"notify-email-{settings.port}"


def session_cookie(request: Request, settings: Settings) -> str | None:
    """Return the session that a request is of, if nothing else says who calls."""
    if "authorization" in request.headers:
        return None
    return request.cookies.get(cookie_name(settings))


def is_secure(request: Request, settings: Settings) -> bool:
    """Return whether the browser reaches the service by HTTPS, perhaps through a proxy."""
    public = urlsplit(settings.public_url or "")
    is_public = request.headers.get("host", "").lower() == public.netloc.lower()
    return settings.tls_cert is not None or (is_public and public.scheme == "https")


def login_path(request: Request) -> str:
    """Return the address of the login page, which leads back to what a browser wanted to see.

    From a form it leads back to the form's page.
    """
    is_shown = request.method in {"GET", "HEAD"}  # a form's own address shows nothing
    if HTMX in request.headers or not is_shown:
        header = "hx-current-url" if HTMX in request.headers else "referer"
        try:
            shown = urlsplit(request.headers.get(header, ""))
        except ValueError:  # such as half of an IPv6 address
            shown = urlsplit("/")
        wanted = f"{shown.path}?{shown.query}" if shown.query else shown.path
    else:
        query = request.url.query
        wanted = f"{request.url.path}?{query}" if query else request.url.path
    return f"{LOGIN}?next={quote(local_path(wanted))}"


def local_path(path: str) -> str:
    """Return a path of this service as it is, and `/` instead of an address elsewhere.

    Browsers read `//host`, and `\\` as `/`, and ignore tabs and line breaks.
    """
    is_local = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_local and path.isprintable() else "/"


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
