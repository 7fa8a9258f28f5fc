"""The HTTP routes for whoever watches the service."""

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from pyservice.metrics import CONTENT_TYPE
from pyservice.web import problems
from pyservice.web.dependencies import ServiceDep, get_scraper

router = APIRouter(tags=["service"])


class Health(BaseModel):
    """Whether the service can do its work; each check is `ok` or says what fails."""

    status: str
    checks: dict[str, str] = {}


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> Health:
    """Always ok: it answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
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
