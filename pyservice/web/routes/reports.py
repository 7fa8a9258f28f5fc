"""The HTTP routes of reports: for Pipelines, and for the owner of a token."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from pyservice.auth.authenticator import Caller
from pyservice.outbox.admin import Filter, Summary
from pyservice.outbox.models import Event, QueuedReport
from pyservice.outbox.states import State
from pyservice.policy import recipients
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from pyservice.web import problems
from pyservice.web.dependencies import Sender, Service, ServiceDep, Viewer, own_report
from pyservice.web.problems import read_body

MAX_KEY = 255
USUAL_BODY = 64 * 1024
"""Bytes of a report that is read at once: it takes about a millisecond."""

MAX_PAGE = 200

_log = structlog.get_logger()


class Accepted(BaseModel):
    """A report that is committed and will be mailed."""

    id: str
    state: str
    message_id: str
    recipients: list[str]
    left_out: list[str]
    """Recipients that get no mail: the service's DENIED_RECIPIENTS denies them."""
    status_url: str
    """Absolute where the service has a PUBLIC_URL, else relative to its address."""
    preview_url: str


class HistoryEntry(BaseModel):
    """A step in a report's history."""

    state: str
    at: datetime
    note: str


class Received(BaseModel):
    """What became of a mail behind Postfix, for one recipient."""

    recipient: str
    state: str
    """relayed (the relay host took it), deferred or bounced."""
    reply: str
    at: datetime
    next_try_after: datetime | None
    """Deferred: Postfix tries again between this time and the next, where they are known."""
    next_try_before: datetime | None


class Shown(BaseModel):
    """The report whose mail shows a build among others; it may be that build's own."""

    id: str
    status_url: str


class Status(Accepted):
    """How far a report's mail has come."""

    job: str
    number: int
    result: str
    created_at: datetime
    attempts: int
    queue_id: str | None
    """Postfix' queue ID, once it has taken the mail."""
    error: str | None
    """What the last attempt that failed met."""
    rerouted_to: str | None
    """Who was asked in the recipients' place by the last attempt: the service's REROUTE_TO."""
    next_attempt_at: datetime | None
    digest: Shown | None
    """Where this build is shown with others, since there were too many for a mail each."""
    receipts: list[Received]
    """From Postfix' log, where the service can read it."""
    history: list[HistoryEntry]


class Brief(BaseModel):
    """A report, in short."""

    id: str
    state: State
    job: str
    number: int
    result: str
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    """None: it is being sent, or has ended."""
    error: str | None
    status_url: str


class Page(BaseModel):
    """Some reports, the newest first."""

    reports: list[Brief]
    next: str | None
    """What `after` has to be for the next page; None: this is the last."""


router = APIRouter(tags=["reports"])


@router.post(
    "/v1/reports",
    status_code=202,
    summary="Report a build",
    response_model=Accepted,
    responses={
        200: {"model": Accepted, "description": "The same report again: nothing is sent"},
        **problems.described(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
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
            description="Makes a repeated call one mail. Default: the report's digest.",
            min_length=1,
            max_length=MAX_KEY,
        ),
    ] = None,
) -> Response:
    """Commit the report and answer; rendering and sending come after."""
    # To read a usual one costs less than a thread; a large one must not keep others waiting.
    read = partial(_read, service, caller, body)
    report, people = read() if len(body) <= USUAL_BODY else await run_in_threadpool(read)
    if caller.permissions.rate:
        await run_in_threadpool(_count, service, caller, report, idempotency_key)
    entry, is_new = await asyncio.wrap_future(
        service.worker.collect(
            report,
            people,
            owner=caller.name,
            key=idempotency_key,
            storm=lambda: service.rate_limiter.decide(report, people, owner=caller.name),
        )
    )
    if is_new:
        service.metrics.report_accepted()
    _log.info(
        "report.accepted" if is_new else "report.repeated",
        id=entry.id,
        owner=caller.name,
        job=report.build.job,
        number=report.build.number,
        result=report.build.result,
        recipients=len(people.addresses),
        left_out=len(people.left_out),
        gathered=entry.digest_group is not None,
    )
    answer = Accepted(**_accepted(entry, service, state=State.RECEIVED))
    # As it is: FastAPI would validate it once more.
    return Response(answer.model_dump_json(), 202 if is_new else 200, media_type="application/json")


def _read(service: Service, caller: Caller, body: bytes) -> tuple[Report, Recipients]:
    """The report and whom it goes to, if this caller may send it."""
    report = Report.parse(body)
    service.renderer.require(report.mail.template)
    settings = service.settings
    people = recipients.envelope(report.mail, settings)
    caller.permissions.check(report, people, settings.sender_mailbox)
    return report, people


def _count(service: Service, caller: Caller, report: Report, key: str | None) -> None:
    """Against the caller's rate, unless it is a repeated call."""
    if not service.admin.knows(report, caller.name, key):
        service.authenticator.count(caller)


@router.get(
    "/v1/reports/{report_id}",
    summary="How far a report's mail has come",
    responses=problems.described(401, 403, 404),
)
def get_report(report_id: str, service: ServiceDep, caller: Viewer) -> Status:
    """The state, Postfix' queue ID and the history."""
    entry, history = own_report(report_id, service, caller)
    build = entry.report.build
    return Status(
        **_accepted(entry, service, state=entry.state),
        job=build.job,
        number=build.number,
        result=build.result,
        created_at=when(entry.created_at),
        attempts=entry.attempts,
        queue_id=entry.queue_id,
        error=entry.error,
        rerouted_to=entry.rerouted_to,
        next_attempt_at=when(entry.next_attempt_at)
        if entry.next_attempt_at and entry.state == State.QUEUED
        else None,
        digest=entry.digest_id
        and Shown(id=entry.digest_id, status_url=service.link(f"/v1/reports/{entry.digest_id}")),
        receipts=[
            Received(
                recipient=one.recipient,
                state=one.state,
                reply=one.reply,
                at=when(one.at),
                next_try_after=None
                if one.next_attempt_after is None
                else when(one.next_attempt_after),
                next_try_before=None
                if one.next_attempt_before is None
                else when(one.next_attempt_before),
            )
            for one in service.receipts.receipts(entry)
        ],
        history=[_told(event) for event in history],
    )


@router.get(
    "/v1/reports",
    summary="Your reports, the newest first",
    responses=problems.described(401, 403, 422),
)
def list_reports(
    service: ServiceDep,
    caller: Viewer,
    state: Annotated[State | None, Query(description="Only those in this state")] = None,
    limit: Annotated[int, Query(description="Reports on a page", ge=1, le=MAX_PAGE)] = 50,
    after: Annotated[
        str | None, Query(description="`next` of the page before", max_length=100)
    ] = None,
) -> Page:
    """A page of them, by the time of acceptance."""
    wanted = Filter(owner=caller.name, state=state, jobs=caller.permissions.jobs)
    found = service.admin.page(wanted, limit + 1, after)
    briefs = [_brief(one, service) for one in found[:limit]]
    return Page(reports=briefs, next=briefs[-1].id if len(found) > limit else None)


@router.post(
    "/v1/reports/{report_id}/retry",
    summary="Try a mail at once",
    responses=problems.described(401, 403, 404, 409),
)
def retry_report(report_id: str, service: ServiceDep, caller: Viewer, _: Sender) -> Brief:
    """One that waits, or one that has failed; else 409."""
    own_report(report_id, service, caller)
    one = service.admin.retry(report_id, owner=caller.name)
    service.worker.wake()
    return _brief(one, service)


@router.post(
    "/v1/reports/{report_id}/cancel",
    summary="Never send a mail",
    responses=problems.described(401, 403, 404, 409),
)
def cancel_report(report_id: str, service: ServiceDep, caller: Viewer, _: Sender) -> Brief:
    """One that waits; else 409."""
    own_report(report_id, service, caller)
    return _brief(service.admin.cancel(report_id, owner=caller.name), service)


def _accepted(entry: QueuedReport, service: Service, *, state: str) -> dict[str, Any]:
    path = f"/v1/reports/{entry.id}"
    return {
        "id": entry.id,
        "state": state,
        "message_id": entry.message_id,
        "recipients": list(entry.recipients.addresses),
        "left_out": [box.address for box in entry.recipients.left_out],
        "status_url": service.link(path),
        "preview_url": service.link(f"{path}/preview"),
    }


def _told(event: Event) -> HistoryEntry:
    return HistoryEntry(state=event.state, at=when(event.at), note=event.note)


def _brief(one: Summary, service: ServiceDep) -> Brief:
    return Brief(
        id=one.id,
        state=one.state,
        job=one.job,
        number=one.number,
        result=one.result,
        attempts=one.attempts,
        error=one.error,
        created_at=when(one.created_at),
        next_attempt_at=None if one.next_attempt_at is None else when(one.next_attempt_at),
        status_url=service.link(f"/v1/reports/{one.id}"),
    )


def when(seconds: float) -> datetime:
    """A time of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)
