"""The panel of a mail's checks: a part of the studio, and a page of its own without JavaScript.

The studio posts the report for it, as its author has edited it: what is shown is checked.
"""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from pyservice.auth.authenticator import Caller
from pyservice.errors import RequestError
from pyservice.mail_checks.catalogue import CHECKS, check
from pyservice.mail_checks.finding import Finding
from pyservice.preview.previews import Preview
from pyservice.preview.template_source import source_files
from pyservice.preview.threads import BoundedThreads
from pyservice.web.bodies import read_body
from pyservice.web.browsers import HTMX
from pyservice.web.dependencies import PreviewCaller, Service, ServiceDep, Viewer
from pyservice.web.pages.gallery import preview_path
from pyservice.web.pages.page import fragment, page
from pyservice.web.pages.studio import UNCHANGED, make_shown
from pyservice.web.pages.studio_view import line_id

MAX_KNOWN = 200
"""Mails whose findings are kept."""

router = APIRouter(include_in_schema=False)

# One mail at a time: it takes a tenth of a second of CPU, for which no report should wait.
_checking = BoundedThreads(1, 200, "mail-checks")
# What all who have a mail open see, by a hash: with its files a mail may have megabytes. The one
# thread of `_checking` alone reads and writes it.
_known: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
_requesting = BoundedThreads(2, 10, "live-links")


@router.get("/checks/{template}/{source:path}")
async def get_checks(
    template: str, source: str, request: Request, service: ServiceDep, caller: PreviewCaller
) -> Response:
    """Return what the checks find in a mail: for htmx a part of a page, else a page."""
    preview = await service.previews.make(template, source, caller)
    return await _answer(request, service, caller, preview, source)


async def read_shown(request: Request) -> AsyncIterator[bytes]:
    """Give what the studio posts of its page; a form without JavaScript has edited nothing."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        yield UNCHANGED
        return
    async for body in read_body(request):
        yield body


@router.post("/checks/{template}/{source:path}")
async def check_shown(
    template: str,
    source: str,
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    body: Annotated[bytes, Depends(read_shown)],
    links: bool = False,
) -> Response:
    """Return the same of a mail as a page shows it; with `links` its links are requested, too."""
    try:
        preview = await make_shown(body, service, caller, template, source)
    except RequestError:
        if body == UNCHANGED or links:
            raise
        return Response(status_code=204)  # the page says what is wrong, and shows the mail before
    if not links:
        return await _answer(request, service, caller, preview, source)
    # Only now: it loads requests, for which the service's start would wait.
    from pyservice.mail_checks.live_links import check_live  # noqa: PLC0415

    settings = service.settings
    roots = [url for url in (settings.jenkins_url, settings.public_url) if url]
    live = await _requesting.run(check_live, preview.mail, roots)
    return await _answer(request, service, caller, preview, source, live)


async def _answer(
    request: Request,
    service: Service,
    caller: Caller | None,
    preview: Preview,
    source: str,
    live: list[Finding] | None = None,
) -> Response:
    template = preview.template
    found = await _checking.run(_check, preview.mail, service, template)
    context: dict[str, Any] = {
        "address": preview_path(template, source),
        "panel": preview_path(template, source, "/checks"),
        "faults": preview.faults,
        "findings": [one for one in found if one.level != "note"],
        "notes": [one for one in found if one.level == "note"],
        "checks": CHECKS,
        "live": live,
        "is_known": caller is not None,
        "line_id": line_id,
    }
    if HTMX in request.headers:
        return fragment(request, "_checks.html", **context)
    return page(request, "checks.html", title=f"Checks of {template} / {source}", **context)


def _check(mail: bytes, service: Service, template: str) -> tuple[Finding, ...]:
    files = source_files(service.settings.templates_dir, template)
    own = {file.path: "\n".join(file.lines) for file in files if file.is_own}
    key = hashlib.sha256(mail + repr(own).encode()).digest()
    if key not in _known:
        _known[key] = tuple(check(mail, own))
        while len(_known) > MAX_KNOWN:
            _known.popitem(last=False)
    return _known[key]
