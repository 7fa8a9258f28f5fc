"""The rates: how much of them is used, and what they hold back."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from pyservice.outbox.search import Filter
from pyservice.web.dependencies import ServiceDep, Viewer
from pyservice.web.pages.outbox import live_fragment, part_version
from pyservice.web.pages.page import page

DIGESTS = 20
"""Digests on the page."""

router = APIRouter(include_in_schema=False)


@router.get("/outbox/rates")
def get_rates(
    request: Request, service: ServiceDep, caller: Viewer, part: str = "", seen: str = ""
) -> Response:
    """Return the rates, what waits, and the last digests; `part=rates` alone for htmx."""
    bounds = Filter(owner=caller.owner_filter, jobs=caller.permissions.jobs)
    owner = caller.owner_filter
    sees_all = owner is None and not caller.permissions.jobs
    shown: dict[str, Any] = {
        "rates": service.settings.rate_limits,
        "digest_after": service.settings.digest_after,
        "used": [
            usage
            for usage in service.rate_limiter.usage()
            if sees_all or (usage.owner is not None and caller.may_see(usage.owner, usage.subject))
        ],
        "tokens": service.authenticator.usage(None if sees_all else caller.name),
        "waiting": service.reader.waiting_groups(bounds),
        "digests": service.reader.digests(bounds, DIGESTS),
        "sees_all": sees_all,
    }
    if part == "rates":
        return live_fragment(request, "_rates.html", seen, **shown)
    version = part_version(request, "_rates.html", **shown)
    return page(request, "rates.html", title="Rates and digests", seen=version, **shown)
