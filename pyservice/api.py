"""The HTTP routes for Pipelines and for whoever watches the service."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from pyservice import policy, problems
from pyservice.access import Caller
from pyservice.entries import Entry, Event
from pyservice.guards import Sender, Service, ServiceDep, Viewer, get_scraper, own_report
from pyservice.metrics import CONTENT_TYPE
from pyservice.policy import Envelope
from pyservice.problems import read_body
from pyservice.report import Report

MAX_KEY = 255
USUAL_BODY = 64 * 1024
"""Bytes of a report that is read at once: it takes about a millisecond."""

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


class Health(BaseModel):
    """Whether the service can do its work; each check is `ok` or says what fails."""

    status: str
    checks: dict[str, str] = {}


router = APIRouter()


@router.post(
    "/v1/reports",
    status_code=202,
    tags=["reports"],
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
    if caller.rights.rate:
        await run_in_threadpool(_count, service, caller, report, idempotency_key)
    entry, is_new = await asyncio.wrap_future(
        service.courier.collect(
            report,
            people,
            owner=caller.name,
            key=idempotency_key,
            storm=lambda: service.storms.decide(report, people, owner=caller.name),
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
        recipients=len(people.recipients),
        left_out=len(people.left_out),
        gathered=entry.storm is not None,
    )
    answer = Accepted(**_accepted(entry, service, state="received"))
    # As it is: FastAPI would validate it once more.
    return Response(answer.model_dump_json(), 202 if is_new else 200, media_type="application/json")


def _read(service: Service, caller: Caller, body: bytes) -> tuple[Report, Envelope]:
    """The report and whom it goes to, if this caller may send it."""
    report = Report.parse(body)
    service.renderer.require(report.mail.template)
    settings = service.settings
    people = policy.envelope(report.mail, settings)
    caller.rights.check(report, people, settings.sender_mailbox)
    return report, people


def _count(service: Service, caller: Caller, report: Report, key: str | None) -> None:
    """Against the caller's rate, unless it is a repeated call."""
    if not service.desk.knows(report, caller.name, key):
        service.access.count(caller)


@router.get(
    "/v1/reports/{report_id}",
    tags=["reports"],
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
        created_at=when(entry.created),
        attempts=entry.attempts,
        queue_id=entry.queue_id,
        error=entry.error,
        rerouted_to=entry.rerouted_to,
        next_attempt_at=when(entry.due) if entry.due and entry.state == "queued" else None,
        digest=entry.in_digest
        and Shown(id=entry.in_digest, status_url=service.link(f"/v1/reports/{entry.in_digest}")),
        receipts=[
            Received(
                recipient=one.recipient,
                state=one.state,
                reply=one.reply,
                at=when(one.at),
                next_try_after=None if one.next_after is None else when(one.next_after),
                next_try_before=None if one.next_before is None else when(one.next_before),
            )
            for one in service.ledger.receipts(entry)
        ],
        history=[_told(event) for event in history],
    )


@router.get("/healthz", tags=["service"], summary="Whether the process is alive")
async def healthz() -> Health:
    """Always ok: it answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    tags=["service"],
    summary="Whether mail can be taken and handed on",
    responses={503: {"model": Health, "description": "Says which check fails"}},
)
async def readyz(service: ServiceDep) -> Response:
    """The outbox is written to, and Postfix is asked for its greeting."""
    checks = await service.readiness.checks()
    ready = all(found == "ok" for found in checks.values())
    health = Health(status="ok" if ready else "unavailable", checks=checks)
    return JSONResponse(health.model_dump(), 200 if ready else 503)


@router.get(
    "/metrics",
    tags=["service"],
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}},
        **problems.described(401, 403),
    },
    dependencies=[Depends(get_scraper)],
)
def get_metrics(service: ServiceDep) -> Response:
    """What was done since the start, and what waits now."""
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE)


def _accepted(entry: Entry, service: Service, *, state: str) -> dict[str, Any]:
    path = f"/v1/reports/{entry.id}"
    return {
        "id": entry.id,
        "state": state,
        "message_id": entry.message_id,
        "recipients": list(entry.people.recipients),
        "left_out": [box.address for box in entry.people.left_out],
        "status_url": service.link(path),
        "preview_url": service.link(f"{path}/preview"),
    }


def _told(event: Event) -> HistoryEntry:
    return HistoryEntry(state=event.state, at=when(event.at), note=event.note)


def when(seconds: float) -> datetime:
    """A time of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)
