"""The first page: what this service is, whether it works, its last mails, and the ways on."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pyservice.auth.authenticator import Caller
from pyservice.outbox.search import Filter, Summary
from pyservice.web.dependencies import Service, ServiceDep, Viewer
from pyservice.web.pages.page import fragment, page

LAST = 8
"""Mails that are shown."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_home(
    request: Request, service: ServiceDep, caller: Viewer, part: str = ""
) -> Response:
    """Return the page; `part=mails` only the last mails, for htmx."""
    mails = await run_in_threadpool(_last_mails, service, caller)
    if part == "mails":
        return fragment(request, "_last_mails.html", mails=mails)
    parts = await service.node_status.parts()
    return page(
        request,
        "home.html",
        title="Home",
        mails=mails,
        parts=parts,
        is_well=all(one.state != "bad" for one in parts),
        settings=service.settings,
    )


def _last_mails(service: Service, caller: Caller) -> list[Summary]:
    wanted = Filter(owner=caller.owner_filter, jobs=caller.permissions.jobs)
    return service.admin.page(wanted, LAST)
