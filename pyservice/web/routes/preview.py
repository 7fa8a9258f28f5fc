"""The routes of previews: the mail of a sample, a report or a build with a template, in parts."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pyservice.delivery.addressing import addressing_of
from pyservice.outbox.models import QueuedReport
from pyservice.preview.parts import MEDIA_TYPES, Part
from pyservice.preview.previews import Preview
from pyservice.preview.source import require_mail
from pyservice.web.bodies import read_body
from pyservice.web.dependencies import (
    PreviewCaller,
    SeenReport,
    SeenReportDep,
    Service,
    ServiceDep,
    Viewer,
)
from pyservice.web.intake import read_report
from pyservice.web.pages.mails import View, mail_page
from pyservice.web.pages.page import mail_part
from pyservice.web.pages.studio import studio_page
from pyservice.web.problems import Problem, problem_responses

router = APIRouter(tags=["preview"], include_in_schema=True)

PartQuery = Annotated[Part | None, Query(description="One part alone, without the page around it")]
ViewQuery = Annotated[View, Query(description="How wide the page shows it")]
FallbackQuery = Annotated[
    bool,
    Query(
        description="If the template fails, return what readers get: the built-in template's mail, "
        "which says so"
    ),
]


class Fault(BaseModel):
    """What is wrong in a template."""

    file: str
    """Its path below NOTIFY_EMAIL_TEMPLATES_DIR."""
    line: int | None
    reason: str
    source: str
    """That line."""
    suggestion: str
    """The name that may be meant; empty: none is like it."""


class FaultyTemplate(Problem):
    """A template that fails, with what is wrong in each of its parts."""

    faults: tuple[Fault, ...] = ()


ANSWERS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The part, or a page around the mail",
        "content": {kind.partition(";")[0]: {} for kind in sorted(set(MEDIA_TYPES.values()))},
    },
    422: {
        "description": "The template fails: `faults` has what is wrong",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/FaultyTemplate"}}
        },
    },
}


@router.get("/favicon.ico", include_in_schema=False, status_code=204)
def get_icon() -> None:
    """Answer browsers, which request it; a 404 would look like a fault."""


@router.get(
    "/preview/{template}/{source:path}",
    summary="A build's mail with a template",
    response_class=Response,
    responses={**ANSWERS, **problem_responses(401, 403, 404, 502, 503)},
)
async def get_preview(
    template: Annotated[str, Path(examples=["build"])],
    source: Annotated[
        str,
        Path(
            examples=["2-failure"],
            description="A sample; `own:NAME`, a sample of yours; `report:ID`, a report with "
            "today's template; `sent:ID`, the mail that was made of it; or `build:JOB#NUMBER`, a "
            "build below NOTIFY_EMAIL_JENKINS_URL",
        ),
    ],
    request: Request,
    service: ServiceDep,
    caller: PreviewCaller,
    part: PartQuery = None,
    fallback: FallbackQuery = False,
) -> Response:
    """Return the mail that would be sent, as a page or one part of it; nothing is sent."""
    if part is None:
        return await studio_page(request, service, caller, template, source)
    preview = await service.previews.make(template, source, caller)
    return _part(preview, part, fallback=fallback)


@router.post(
    "/preview/{template}",
    summary="A report's mail with a template",
    response_class=Response,
    responses={**ANSWERS, **problem_responses(400, 401, 403, 404, 408, 413, 415, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}}},
        }
    },
)
async def post_preview(
    template: Annotated[str, Path(examples=["build"])],
    service: ServiceDep,
    caller: Viewer,
    body: Annotated[bytes, Depends(read_body)],
    part: Annotated[Part, Query(description="The part of the mail")] = "html",
    fallback: FallbackQuery = False,
) -> Response:
    """Return a part of the mail that this report would make; nothing is stored or sent."""
    report = await read_report(body, service, caller)
    return _part(await service.previews.make_of(template, report), part, fallback=fallback)


@router.get(
    "/v1/reports/{report_id}/preview",
    summary="The mail of a report",
    response_class=Response,
)
async def get_report_preview(
    request: Request,
    service: ServiceDep,
    seen: SeenReportDep,
    part: PartQuery = None,
    view: ViewQuery = "desktop",
) -> Response:
    """Return the mail that was or will be sent: the digest, if a digest shows the build."""
    entry = await run_in_threadpool(_with_mail, seen, service)
    is_known, addressing = seen.caller is not None, addressing_of(entry, service.settings)
    mail = entry.mail or await service.previews.compose(entry.report, addressing, is_known=is_known)

    def answer() -> Response:
        if part is not None:
            return mail_part(mail, part)
        back = (
            f"/outbox/{quote(request.path_params['report_id'], safe='')}",
            "The status of this mail",
        )
        title = f"{entry.report.build.job} #{entry.report.build.number}"
        return mail_page(request, mail, title=title, view=view, back=back)

    return await run_in_threadpool(answer)


def _with_mail(seen: SeenReport, service: Service) -> QueuedReport:
    """Return the report whose mail shows a build: itself, or the first one of its digest."""
    entry = seen.entry
    require_mail(entry, service.outbox, seen.caller)
    return entry if entry.mail_id == entry.id else seen.related(entry.mail_id, service)


def _part(preview: Preview, part: Part, *, fallback: bool) -> Response:
    """Return a part of a mail, or what is wrong with its template."""
    if not preview.faults or fallback:
        return mail_part(preview.mail, part)
    detail = " ".join(map(str, preview.faults))
    problem = FaultyTemplate(
        title="Template fails",
        status=422,
        detail=detail,
        faults=tuple(Fault(**asdict(fault)) for fault in preview.faults),
    )
    return JSONResponse(problem.model_dump(), 422, media_type="application/problem+json")
