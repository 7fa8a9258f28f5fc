"""All routes of the service, and the OpenAPI document about them."""

from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic.json_schema import models_json_schema
from starlette.types import Lifespan

from pyservice import __version__
from pyservice.report.schema import Report
from pyservice.web import problems, static_files
from pyservice.web.pages import (
    checks,
    compare,
    doctor,
    gallery,
    home,
    login,
    mail,
    preview_actions,
    rates,
    studio,
)
from pyservice.web.pages import outbox as desk
from pyservice.web.routes import health, preview, reports
from pyservice.web.routes.live import router as live_router

ROUTERS = (
    *(reports.router, health.router, preview.router),
    *(home.router, gallery.router, preview_actions.router, checks.router, login.router),
    *(studio.router, compare.router),
    *(rates.router, desk.router, mail.router, doctor.router),  # /outbox/rates before /outbox/ID
    *(static_files.router, live_router),
)
EXAMPLE = {
    "schema": 2,
    "build": {
        "job": "shop/checkout",
        "number": 2,
        "result": "FAILURE",
        "started_at": 1_764_000_000_000,
    },
    "mail": {"to": ["ada@example.com"]},
}
"""The shortest report that gets a mail."""


def make_routes(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Return an application of all routes, with nothing behind them yet."""
    # Swagger's files come from the package: a node behind a relay rarely reaches a CDN.
    app = FastAPIOffline(
        title="notify-email",
        version=__version__,
        description="Build reports from Jenkins Pipelines, mailed through the node's Postfix.",
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # a redirect would name the host that the Host header names
    )
    for router in ROUTERS:
        app.include_router(router, responses=problems.problem_responses("default"))
    return app


@cache
def describe_api() -> dict[str, Any]:
    """Return the OpenAPI document, which is the same for every service of a process.

    It has the schemas of a report's body, which the route reads itself, and of a problem. An
    example and links from its answer make it possible to try the API in /docs.
    """
    document = make_routes().openapi()
    _, schema = models_json_schema(
        [(model, "validation") for model in (Report, problems.Problem, preview.FaultyTemplate)],
        ref_template="#/components/schemas/{model}",
    )
    document["components"]["schemas"].update(schema["$defs"])
    post = document["paths"]["/v1/reports"]["post"]
    post["requestBody"]["content"]["application/json"]["example"] = EXAMPLE
    post["responses"]["202"]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"report_id": "$response.body#/id"},
        }
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "{report_id}" in path
    }
    return document
