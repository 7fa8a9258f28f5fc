"""The pages that show a mail: its HTML, text, headers and source, and a list of all previews.

A mail's HTML contains a build's untrusted text. The page shows it in a sandboxed frame, under a
policy by which it can load nothing and run nothing.
"""

import email
import email.policy
from email.message import EmailMessage
from typing import Any, Literal

from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

Part = Literal["html", "text", "headers", "source"]
View = Literal["desktop", "phone"]

_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_environment = Environment(
    loader=PackageLoader("pyservice.web"), autoescape=True, undefined=StrictUndefined
)


def mail_part(mail: bytes, part: Part) -> Response:
    """Return one part of a mail, read from the bytes that are sent."""
    if part == "source":
        return PlainTextResponse(mail, headers=_headers(_MAIL_POLICY))
    if part == "headers":
        head = mail.partition(b"\r\n\r\n")[0]
        return PlainTextResponse(head + b"\r\n", headers=_headers(_MAIL_POLICY))
    body = _body(mail, "html" if part == "html" else "plain")
    if part == "html":
        return HTMLResponse(body, headers=_headers(_MAIL_POLICY))
    return PlainTextResponse(body, headers=_headers(_MAIL_POLICY))


def mail_page(mail: bytes, *, title: str, view: View, back: str) -> Response:
    """Return a page with the mail's headers, its HTML in a frame, and links to its other parts."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    headers = [(name, str(message[name] or "")) for name in ("Subject", "From", "To", "Date")]
    return _page(
        "mail.html",
        title=title,
        headers=headers,
        view=view,
        back=back,
        size=f"{len(mail) / 1024:.1f} KB",
    )


def list_page(title: str, about: str, groups: dict[str, list[tuple[str, str, str]]]) -> Response:
    """Return a page of links: for each heading, (address, text, description)."""
    return _page("list.html", title=title, about=about, groups=groups)


def _page(name: str, **context: Any) -> Response:
    html = _environment.get_template(name).render(**context)
    return HTMLResponse(html, headers=_headers(_PAGE_POLICY))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _body(mail: bytes, subtype: Literal["html", "plain"]) -> str:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the policy's message class
    body = message.get_body((subtype,))
    return str(body.get_content()) if body is not None else ""
