"""A list of links to mails, and the page around one: its headers, its HTML and its other parts."""

from typing import Literal

from fastapi import Request
from starlette.responses import Response

from pyservice.preview import parts
from pyservice.web.pages.page import page

View = Literal["desktop", "phone"]


def mail_page(
    request: Request, mail: bytes, *, title: str, view: View, back: tuple[str, str]
) -> Response:
    """Return a page with the mail's headers, its HTML in a frame, and links to its other parts.

    Args:
        request: what it answers.
        mail: the mail.
        title: of the browser's tab.
        view: how wide the frame is.
        back: the address and the name of the page to which it belongs.
    """
    return page(
        request,
        "mail.html",
        title=title,
        subject=parts.subject(mail),
        facts=[(name, parts.header(mail, name)) for name in ("From", "To", "Date")],
        size=len(mail),
        view=view,
        back=back[0],
        back_name=back[1],
    )


def list_page(
    request: Request, title: str, about: str, links: list[tuple[str, str, str]]
) -> Response:
    """Return a page of links, each (address, text, description)."""
    return page(request, "list.html", title=title, about=about, links=links)
