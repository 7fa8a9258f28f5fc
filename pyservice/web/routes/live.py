"""The route by which open pages hear of changes."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from pyservice.web.dependencies import ServiceDep, Viewer, find_caller
from pyservice.web.live import Subscription, Topic

router = APIRouter(include_in_schema=False)


async def get_subscription(
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    topic: Annotated[list[Topic], Query(min_length=1)],
) -> AsyncIterator[Subscription]:
    """Give a page its subscription, until it is closed."""
    subscription = Subscription(frozenset(topic), caller, lambda: find_caller(request, service))
    service.hub.subscribe(subscription)
    try:
        yield subscription
    finally:
        service.hub.unsubscribe(subscription)


@router.get("/live", response_class=EventSourceResponse)
async def get_live(
    subscription: Annotated[Subscription, Depends(get_subscription)],
) -> AsyncIterator[ServerSentEvent]:
    """Stream an event for each change that the caller may see."""
    async for event in subscription.events():
        yield event
