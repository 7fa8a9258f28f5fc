"""The wiring: settings → the service, as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from pyservice import __version__, api, problems
from pyservice.courier import Courier
from pyservice.outbox import Outbox
from pyservice.preview import routes as preview
from pyservice.renderer import Renderer
from pyservice.report import Report
from pyservice.settings import Settings
from pyservice.tokens import Tokens

_log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The service, with its outbox open and its courier ready to start.

    Raises:
        ConfigurationError: the outbox or the tokens file can't be used.
    """
    tokens = Tokens(settings.tokens_file)
    renderer = Renderer(settings.templates_dir)
    host = settings.sender_mailbox.address.rpartition("@")[2]
    outbox = Outbox(settings.outbox_file, host=host)
    courier = Courier(outbox, renderer, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        courier.start()
        try:
            yield
        finally:
            await run_in_threadpool(courier.stop)
            outbox.close()
            _log.info("service.stopped")

    # Swagger's files come from the package: a node behind a relay rarely reaches a CDN.
    app = FastAPIOffline(
        title="notify-email",
        version=__version__,
        description="Build reports from Jenkins Pipelines, mailed through the node's Postfix.",
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    app.state.service = api.Service(settings, tokens, renderer, outbox, courier)
    for router in (api.router, preview.router):
        app.include_router(router, dependencies=[Depends(api.check_host)])
    problems.install(app)
    _describe_report(app)
    return app


def _describe_report(app: FastAPI) -> None:
    """Put the report's schema into OpenAPI: the route reads its body itself, to tell errors."""
    openapi = app.openapi()
    schema = Report.model_json_schema(ref_template="#/components/schemas/{model}")
    components = openapi.setdefault("components", {}).setdefault("schemas", {})
    components.update(schema.pop("$defs", {}))
    components["Report"] = schema
