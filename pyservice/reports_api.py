"""The HTTP routes by which a token's owner looks after the own reports."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from pyservice import problems
from pyservice.api import when
from pyservice.desk import Filter, Summary
from pyservice.guards import Sender, ServiceDep, Viewer, own_report

MAX_PAGE = 200

State = Literal[
    "received",
    "queued",
    "sending",
    "accepted",
    "relayed",
    "deferred",
    "bounced",
    "failed",
    "cancelled",
    "skipped",
    "digested",
]

router = APIRouter(tags=["reports"])


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
    wanted = Filter(owner=caller.name, state=state, jobs=caller.rights.jobs)
    found = service.desk.page(wanted, limit + 1, after)
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
    one = service.desk.retry(report_id, owner=caller.name)
    service.courier.wake()
    return _brief(one, service)


@router.post(
    "/v1/reports/{report_id}/cancel",
    summary="Never send a mail",
    responses=problems.described(401, 403, 404, 409),
)
def cancel_report(report_id: str, service: ServiceDep, caller: Viewer, _: Sender) -> Brief:
    """One that waits; else 409."""
    own_report(report_id, service, caller)
    return _brief(service.desk.cancel(report_id, owner=caller.name), service)


def _brief(one: Summary, service: ServiceDep) -> Brief:
    return Brief(
        **{name: getattr(one, name) for name in Brief.model_fields if hasattr(one, name)},
        created_at=when(one.created),
        next_attempt_at=None if one.due is None else when(one.due),
        status_url=service.link(f"/v1/reports/{one.id}"),
    )
