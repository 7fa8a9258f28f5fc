"""The studio: one mail as its readers see it, what it is made of, and what becomes of a change.

The open page hears of changed templates from `/live`, and posts to `/studio/…` for what has
changed: with a report as JSON, if its author has edited it. Nothing of that is stored.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pyservice.auth.authenticator import Caller
from pyservice.errors import RequestError
from pyservice.mail.renderer import DIGEST
from pyservice.preview.previews import Preview
from pyservice.preview.source import OWN, REPORT, SENT
from pyservice.preview.template_source import source_files, state_of
from pyservice.preview.threads import BoundedThreads
from pyservice.samples import stories
from pyservice.web.bodies import read_body
from pyservice.web.browsers import is_secure
from pyservice.web.dependencies import Service, ServiceDep, Viewer, Visitor
from pyservice.web.intake import read_report
from pyservice.web.pages.gallery import preview_path, template_names
from pyservice.web.pages.page import fragment, page
from pyservice.web.pages.studio_view import Shown, line_id

UNCHANGED = b"null"
"""The body of an update whose report nobody has edited."""

router = APIRouter(include_in_schema=False)

# One page at a time: it takes some hundredths of a second of CPU, and no report should wait for
# those of a hundred authors whose template was saved.
rendering = BoundedThreads(1, 200, "studio")
_for_guests = BoundedThreads(1, 50, "studio-guest")


@dataclass(frozen=True)
class Frame:
    """A frame in which the studio shows the mail, as one kind of reader has it."""

    name: str
    title: str
    width: int
    """In pixels."""
    scheme: str = "light"
    """`light` or `dark`."""
    part: str = "html"
    """Which HTML it has: that of the mail, or `outlook`: what is left of it there."""
    is_shown: bool = True
    """From the beginning."""


FRAMES = (
    Frame("desktop", "Desktop", 720),
    Frame("phone", "Phone", 390),
    Frame("dark", "Dark", 390, scheme="dark"),
    Frame("outlook", "Outlook on Windows", 720, part="outlook", is_shown=False),
)


@router.get("/studio")
async def open_studio(template: str, source: str, _visitor: Visitor) -> Response:
    """Lead to the mail that the form at the top of the page names, which decides who may see it.

    The form has the samples of the template that was shown: a digest has others.
    """
    names = stories.names(digests=template == DIGEST)
    if ":" not in source and source not in names:
        source = names[0]
    return RedirectResponse(preview_path(template, source), 303)


@router.post("/studio/{template}/{source:path}")
async def update(
    template: str,
    source: str,
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    body: Annotated[bytes, Depends(read_body)],
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Return what has changed on an open page: the mail, or what is wrong with the report.

    A save concerns few of the pages that hear of it: 204 says that this one shows all of it.
    """
    is_edited = body != UNCHANGED
    service.previews.require(template)  # before its folder is read
    folder = service.settings.templates_dir
    state = await rendering.run(state_of, folder, template)
    if state == if_none_match and not is_edited:
        return Response(status_code=204)

    def answer(
        preview: Preview | None, trouble: str = "", errors: tuple[tuple[str, str], ...] = ()
    ) -> Response:
        return fragment(
            request,
            "_studio_update.html",
            shown=preview and _shown(preview, service, state),
            trouble=trouble,
            errors=errors,
            is_edited=is_edited,
            line_id=line_id,
        )

    try:
        preview = await make_shown(body, service, caller, template, source)
    except RequestError as error:
        return answer(None, error.detail, error.errors)
    return await rendering.run(answer, preview)


async def make_shown(
    body: bytes, service: Service, caller: Caller, template: str, source: str
) -> Preview:
    """Return what an open page shows: its source, or the report as its author has edited it.

    Args:
        body: the page's; `UNCHANGED`, or a report as JSON.
        service: the service.
        caller: who sees the page.
        template: with which it is made.
        source: what it is of, as in the address.

    Raises:
        RequestError: as `Previews.make` has it, or the report can't be used.
    """
    if body == UNCHANGED:
        return await service.previews.make(template, source, caller)
    return await service.previews.make_of(template, await read_report(body, service, caller))


async def studio_page(
    request: Request, service: Service, caller: Caller | None, template: str, source: str
) -> Response:
    """Return the page of a mail.

    Args:
        request: what it answers.
        service: the service.
        caller: who sees the page; None: nobody who is known, who sees what we ship.
        template: with which it is made.
        source: what it is of, as in the address.

    Raises:
        RequestError: as `Previews.make` has it.
    """
    service.previews.require(template, is_known=caller is not None)  # before its folder is read
    # First the state: what is saved meanwhile must differ from it.
    threads = _for_guests if caller is None else rendering
    state = await threads.run(state_of, service.settings.templates_dir, template)
    preview = await service.previews.make(template, source, caller)
    names = await run_in_threadpool(source_names, service, caller, template)
    before, after = (
        neighbour and {"name": neighbour, "url": preview_path(template, neighbour)}
        for neighbour in _neighbours(source, names)
    )

    def answer() -> Response:
        return page(
            request,
            "studio.html",
            title=preview.subject,
            shown=_shown(preview, service, state),
            address=preview_path(template, source),
            updates=preview_path(template, source, "/studio"),
            panel=preview_path(template, source, "/checks"),
            source=source,
            sources=names if source in names else [source, *names],
            templates=template_names(service, caller),
            previous=before,
            next=after,
            sent=_as_sent(source),
            frames=FRAMES,
            curl=_curl(request, service, template),
            is_known=caller is not None,
            line_id=line_id,
        )

    return await threads.run(answer)


def source_names(service: Service, caller: Caller | None, template: str) -> list[str]:
    """Return the samples that a template can show: those of the gallery, and the caller's own."""
    if template == DIGEST:
        return list(stories.names(digests=True))
    own = service.previews.own_samples.names(caller.name) if caller else []
    return [*stories.names(), *(f"{OWN}:{name}" for name in own)]


def _neighbours(source: str, names: list[str]) -> tuple[str, str]:
    """Return the samples before and after this one; empty: there is none."""
    if source not in names:
        return "", ""
    at = names.index(source)
    return names[at - 1] if at else "", "".join(names[at + 1 : at + 2])


def _as_sent(source: str) -> str:
    """Return the source that is the mail which was made of a report; empty: there is none."""
    kind, _, report_id = source.partition(":")
    return f"{SENT}:{report_id}" if kind == REPORT else ""


def _shown(preview: Preview, service: Service, state: str) -> Shown:
    also = tuple(fault.file for fault in preview.faults)
    files = source_files(service.settings.templates_dir, preview.template, also)
    return Shown(preview, files, state)


def _curl(request: Request, service: Service, template: str) -> str:
    """Return a command that makes the mail of a saved report."""
    settings = service.settings
    scheme = "https" if is_secure(request, settings) else "http"
    # As the reader reached the page: a certificate is rarely for 127.0.0.1.
    base = settings.public_url or f"{scheme}://{request.url.netloc}"
    token = ' -H "Authorization: Bearer $TOKEN"' if settings.tokens_file else ""
    return (
        f"curl -sS{token} -H 'Content-Type: application/json' --data-binary @report.json "
        f"'{base}/preview/{template}?part=eml'"
    )
