"""The HTTP routes for monitoring the service."""

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from pyservice.metrics import CONTENT_TYPE
from pyservice.web.dependencies import ServiceDep, get_scraper
from pyservice.web.problems import problem_responses

router = APIRouter(tags=["service"])


class Health(BaseModel):
    """Whether the service can do its work; each check is `ok` or an error."""

    status: str
    checks: dict[str, str] = {}


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> Health:
    """Return ok: the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Whether reports can be accepted and mailed",
    responses={503: {"model": Health, "description": "Says which check fails"}},
)
async def readyz(service: ServiceDep) -> Response:
    """Check whether the outbox can be written to, Postfix greets, and most reports are accepted."""
    checks = await service.readiness.checks()
    is_ready = all(result == "ok" for result in checks.values())
    health = Health(status="ok" if is_ready else "unavailable", checks=checks)
    return JSONResponse(health.model_dump(), 200 if is_ready else 503)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}},
        **problem_responses(401, 403),
    },
    dependencies=[Depends(get_scraper)],
)
def get_metrics(service: ServiceDep) -> Response:
    """Return what the service has done since its start, and what waits now."""
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE)
