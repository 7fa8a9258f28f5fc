"""What people do with a preview: open a real build, keep it as a sample, have its mail sent."""

import re
import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pyservice.auth.authenticator import Caller
from pyservice.errors import InvalidError, RequestError
from pyservice.mail.renderer import BUILT_IN
from pyservice.preview.source import OWN, REPORT, Content
from pyservice.report.schema import Report
from pyservice.web.dependencies import Sender, Service, ServiceDep, Viewer
from pyservice.web.intake import accept_report, for_readers, read_report
from pyservice.web.pages.gallery import gallery, preview_path

MAX_FIELD = 2000
"""Characters of a form's field, but for a report: of that `HttpLimits.max_form` has the limit."""
_REPORT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

router = APIRouter(include_in_schema=False)
Field = Annotated[str, Form(max_length=MAX_FIELD)]
EditedReport = Annotated[str, Form()]
"""The report as its author has edited it on the page; empty: nobody has, and its source counts."""


@router.get("/preview/open")
async def open_source(
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    what: Annotated[str, Query(max_length=MAX_FIELD)] = "",
    template: Annotated[str, Query(max_length=64)] = BUILT_IN,
) -> Response:
    """Lead to the page of a build by its URL, or of a report by its ID or link.

    What can't be shown is said beside the field in which it was typed.
    """
    try:
        if found := _REPORT_ID.search(what):
            source = f"{REPORT}:{found[0]}"
        else:
            source = service.previews.builds.source(what)
        await service.previews.load(template, source, caller)
    except RequestError as error:
        return await gallery(request, service, caller, opened=what, error=error)
    return RedirectResponse(preview_path(template, source), 303)


@router.post("/samples")
async def save_sample(
    service: ServiceDep,
    caller: Viewer,
    template: Field,
    source: Field,
    name: Field,
    report: EditedReport = "",
) -> Response:
    """Keep what a preview shows as a sample of the caller's, and lead to its page."""
    content = await _shown(service, caller, template, source, report)
    shown = _one_build(content.shown, "kept as a sample")
    service.previews.own_samples.save(caller.name, name.strip(), shown)
    return RedirectResponse(preview_path(template, f"{OWN}:{name.strip()}"), 303)


@router.post("/samples/{name}/delete")
def delete_sample(service: ServiceDep, caller: Viewer, name: str) -> Response:
    """Delete a sample of the caller's, and lead to the gallery."""
    service.previews.own_samples.delete(caller.name, name)
    return RedirectResponse("/preview", 303)


@router.post("/send-preview")
async def send_preview(
    service: ServiceDep,
    caller: Sender,
    _: Viewer,
    template: Field,
    source: Field,
    to: Field,
    report: EditedReport = "",
) -> Response:
    """Send a preview's mail to one reader by the way of all mails, and lead to its page.

    Its subject begins with [Preview]. The service's policy and the bounds of the caller's token
    apply as to a report. Jenkins isn't asked again, and the mail is in no thread and no digest.
    """
    content = await _shown(service, caller, template, source, report)
    wanted = for_readers(_one_build(content.shown, "sent by itself"), to)
    mail = wanted.mail.model_copy(update={"reply_to": None, "is_preview": True})
    wanted = wanted.model_copy(update={"mail": mail, "complete": True})
    entry, _is_new = await accept_report(wanted, service, caller, f"preview {uuid.uuid4()}")
    return RedirectResponse(f"/outbox/{entry.id}", 303)


async def _shown(
    service: Service, caller: Caller, template: str, source: str, report: str
) -> Content:
    """Return what the page shows: the report as its author has edited it, or else its source."""
    if not report:
        return await service.previews.load(template, source, caller)
    edited = await read_report(report.encode(), service, caller)
    return await service.previews.load_of(template, edited)


def _one_build(shown: object, what: str) -> Report:
    if not isinstance(shown, Report):
        raise InvalidError(f"A digest shows many builds and can't be {what}.")
    return shown
