"""The HTTP routes of reports: Pipelines post them, and their owner follows, retries and cancels."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.responses import RedirectResponse

from pyservice.outbox.search import Filter
from pyservice.outbox.states import State
from pyservice.web.bodies import read_body
from pyservice.web.browsers import prefers_html
from pyservice.web.dependencies import (
    Basic,
    Bearer,
    Changer,
    Sender,
    ServiceDep,
    Viewer,
    find_caller,
    own_report,
)
from pyservice.web.intake import accept_report, read_report
from pyservice.web.problems import problem_responses
from pyservice.web.routes.report_models import (
    AcceptedReport,
    ReportPage,
    ReportStatus,
    ReportSummary,
)

MAX_KEY = 255
"""Characters of an idempotency key."""
MAX_PAGE = 200
"""Reports on a page."""

router = APIRouter(tags=["reports"])


@router.post(
    "/v1/reports",
    status_code=202,
    summary="Report a build",
    response_model=AcceptedReport,
    responses={
        200: {"model": AcceptedReport, "description": "The same report again: nothing is sent"},
        **problem_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}}},
        }
    },
)
async def post_report(
    service: ServiceDep,
    caller: Sender,
    body: Annotated[bytes, Depends(read_body)],
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Makes a repeated call one mail. Default: the report's hash.",
            min_length=1,
            max_length=MAX_KEY,
        ),
    ] = None,
) -> Response:
    """Commit the report and answer; its mail is made and sent afterwards."""
    report = await read_report(body, service, caller)
    entry, is_new = await accept_report(report, service, caller, idempotency_key, size=len(body))
    public_id = service.public_id(entry.id, caller)
    answer = AcceptedReport.of(entry, service.link, report.left_out, public_id=public_id)
    # Not the model itself: FastAPI would validate it once more.
    return Response(answer.model_dump_json(), 202 if is_new else 200, media_type="application/json")


@router.get(
    "/v1/reports/{report_id}",
    summary="How far a report's mail has come",
    response_model=ReportStatus,
    responses=problem_responses(401, 403, 404),
)
def get_report(
    report_id: str, request: Request, service: ServiceDep, _bearer: Bearer, _basic: Basic
) -> ReportStatus | Response:
    """Return the state, Postfix' queue ID, the receipts and the history.

    A browser is led to the page of the mail, which knows who may see it.
    """
    if prefers_html(request.headers):
        return RedirectResponse(f"/outbox/{quote(report_id, safe='')}", 303)
    caller = find_caller(request, service)
    caller.require("see")
    entry, history = own_report(report_id, service, caller)
    return ReportStatus.of(entry, history, service.receipts.receipts(entry), service.link)


@router.get(
    "/v1/reports",
    summary="Your reports, the newest first",
    responses=problem_responses(401, 403, 422),
)
def list_reports(
    service: ServiceDep,
    caller: Viewer,
    state: Annotated[State | None, Query(description="Only those in this state")] = None,
    limit: Annotated[int, Query(description="Reports on a page", ge=1, le=MAX_PAGE)] = 50,
    after: Annotated[
        str | None, Query(description="`next` of the page before", max_length=100)
    ] = None,
) -> ReportPage:
    """Return a page of them, by the time of acceptance."""
    wanted = Filter(
        owner=caller.owner_filter, jobs=caller.permissions.jobs, states=(state,) if state else ()
    )
    summaries = service.admin.page(wanted, limit + 1, after)
    reports = [ReportSummary.of(summary, service.link) for summary in summaries[:limit]]
    return ReportPage(reports=reports, next=reports[-1].id if len(summaries) > limit else None)


@router.post(
    "/v1/reports/{report_id}/retry",
    summary="Try a mail at once",
    responses=problem_responses(401, 403, 404, 409),
)
def retry_report(report_id: str, service: ServiceDep, caller: Changer) -> ReportSummary:
    """Try a mail that waits or has failed; answer 409 in any other state."""
    entry, _ = own_report(report_id, service, caller)
    return ReportSummary.of(service.retry(entry.id, caller), service.link)


@router.post(
    "/v1/reports/{report_id}/cancel",
    summary="Never send a mail",
    responses=problem_responses(401, 403, 404, 409),
)
def cancel_report(report_id: str, service: ServiceDep, caller: Changer) -> ReportSummary:
    """Cancel a mail that waits; answer 409 in any other state."""
    entry, _ = own_report(report_id, service, caller)
    return ReportSummary.of(service.cancel(entry.id, caller), service.link)
