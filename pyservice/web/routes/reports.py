"""The HTTP routes of reports: Pipelines post them, and their owner follows, retries and cancels."""

import asyncio
from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar

import structlog
from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from pyservice.auth.authenticator import Caller
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.search import Filter
from pyservice.outbox.states import State
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients, resolve_recipients
from pyservice.report.schema import Report
from pyservice.web.dependencies import Sender, Service, ServiceDep, Viewer, own_report
from pyservice.web.problems import problem_responses
from pyservice.web.request_checks import read_body
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
USUAL_BODY = 64 * 1024
"""Bytes of a report that is read in the event loop: that takes about a millisecond."""

router = APIRouter(tags=["reports"])
_log = structlog.get_logger()
_P = ParamSpec("_P")
_T = TypeVar("_T")


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
    # Switching to a thread takes longer than a usual report; a large one would keep others waiting.
    run = _run_here if len(body) <= USUAL_BODY else run_in_threadpool
    report = await run(Report.parse, body)
    service.renderer.require(report.mail.template)
    recipients = await run(resolve_recipients, report, service.settings)
    caller.permissions.check(report, recipients, service.settings.sender_mailbox)
    digest_group = await _count_if_new(service, caller, report, recipients, idempotency_key)
    accepted = service.worker.accept_and_send(
        report, recipients, owner=caller.name, key=idempotency_key, digest_group=digest_group
    )
    entry, is_new = await asyncio.wrap_future(accepted)
    _record(service, entry, is_new=is_new)
    answer = AcceptedReport.of(entry, service.link)
    # Not the model itself: FastAPI would validate it once more.
    return Response(answer.model_dump_json(), 202 if is_new else 200, media_type="application/json")


async def _run_here(step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a step in the event loop, as `run_in_threadpool` calls it in a thread."""
    return step(*args, **kwargs)


async def _count_if_new(
    service: Service, caller: Caller, report: Report, recipients: Recipients, key: str | None
) -> DigestGroup | None:
    """Count a report against the rates, unless the outbox has it already.

    Returns:
        The group in which it waits for a digest; None: it gets a mail of its own.

    Raises:
        RateExceededError: the token's rate is used up.
    """
    if not caller.permissions.rate and not service.rate_limiter.has_rates:
        return None  # nothing to count, so nothing to read

    # The transaction decides which report is new, and it comes later. So two equal calls in the
    # same moment may both be counted. That is harmless: a later mail becomes a digest too early.
    # A call that meets a full outbox is counted, too: Jenkins then mails the build itself.
    def count() -> DigestGroup | None:
        if service.admin.knows(report, caller.name, key):
            return None
        service.authenticator.count_report(caller)
        return service.rate_limiter.decide(report, recipients, owner=caller.name)

    return await run_in_threadpool(count)


def _record(service: Service, entry: QueuedReport, *, is_new: bool) -> None:
    """Count and log a report that is committed."""
    if is_new:
        service.metrics.report_accepted()
    build, recipients = entry.report.build, entry.recipients
    _log.info(
        "report.accepted" if is_new else "report.repeated",
        id=entry.id,
        owner=entry.owner,
        job=build.job,
        number=build.number,
        result=build.result,
        recipients=len(recipients.addresses),
        left_out=len(recipients.left_out),
        waits_for_digest=entry.digest_group is not None,
    )


@router.get(
    "/v1/reports/{report_id}",
    summary="How far a report's mail has come",
    responses=problem_responses(401, 403, 404),
)
def get_report(report_id: str, service: ServiceDep, caller: Viewer) -> ReportStatus:
    """Return the state, Postfix' queue ID, the receipts and the history."""
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
        owner=caller.name, states=(state,) if state else (), jobs=caller.permissions.jobs
    )
    summaries = service.admin.page(wanted, limit + 1, after)
    reports = [ReportSummary.of(summary, service.link) for summary in summaries[:limit]]
    return ReportPage(reports=reports, next=reports[-1].id if len(summaries) > limit else None)


@router.post(
    "/v1/reports/{report_id}/retry",
    summary="Try a mail at once",
    responses=problem_responses(401, 403, 404, 409),
)
def retry_report(report_id: str, service: ServiceDep, caller: Viewer, _: Sender) -> ReportSummary:
    """Try a mail that waits or has failed; answer 409 in any other state."""
    own_report(report_id, service, caller)
    summary = service.admin.retry(report_id, owner=caller.name)
    service.worker.wake()
    return ReportSummary.of(summary, service.link)


@router.post(
    "/v1/reports/{report_id}/cancel",
    summary="Never send a mail",
    responses=problem_responses(401, 403, 404, 409),
)
def cancel_report(report_id: str, service: ServiceDep, caller: Viewer, _: Sender) -> ReportSummary:
    """Cancel a mail that waits; answer 409 in any other state."""
    own_report(report_id, service, caller)
    return ReportSummary.of(service.admin.cancel(report_id, owner=caller.name), service.link)
