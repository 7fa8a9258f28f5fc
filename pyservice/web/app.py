"""The wiring: settings → the service, as one ASGI application."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool

from pyservice import __version__
from pyservice.auth.authenticator import Authenticator
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.worker import DeliveryWorker
from pyservice.description import updater
from pyservice.description.updater import DescriptionUpdater
from pyservice.errors import ConfigurationError, RequestError
from pyservice.events import Events
from pyservice.mail.renderer import Renderer
from pyservice.metrics import Metrics
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.retention import Retention
from pyservice.policy.rate_limits import MailRateLimiter
from pyservice.policy.recipients import resolve_recipients
from pyservice.postfix.log_watcher import LogWatcher
from pyservice.report.schema import Mail, Report
from pyservice.web import dependencies, problems
from pyservice.web.limits import Limits
from pyservice.web.readiness import Readiness
from pyservice.web.routes import health, preview, reports

_log = structlog.get_logger()


def create_app(settings: Settings, limits: Limits = Limits()) -> FastAPI:
    """The service, with its outbox open and its courier ready to start.

    Raises:
        ConfigurationError: the outbox, the tokens file or the file with Jenkins' token can't be
            used, or the default recipients.
    """
    _check_default(settings)
    updater.check(settings)
    current = LiveSettings(settings)
    _warn(settings)
    access = Authenticator(settings)
    renderer = Renderer(settings.templates_dir)
    host = settings.sender_mailbox.address.rpartition("@")[2]
    node = socket.gethostname()
    database = Database(settings.outbox_url, lock_timeout=limits.outbox.lock_timeout)
    capacity = Capacity(current)
    outbox = Outbox(database, host=host, node=node, capacity=capacity, limits=limits.outbox)
    retention = Retention(database, current)
    ledger = ReceiptStore(database, node)
    events = Events()
    courier = DeliveryWorker(outbox, renderer, current, events, limits.delivery)
    receipts = LogWatcher(ledger, settings.postfix_log, events, limits.log_watcher)
    metrics = Metrics()
    jenkins = DescriptionUpdater(current, database, ledger, limits.description)
    events.subscribe(metrics.on_event)
    events.subscribe(jenkins.on_event)
    metrics.watch(database, receipts.is_log_readable, current)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # First what Postfix' log tells: what it has need not be sent again.
        await run_in_threadpool(receipts.start)
        courier.start()
        retention.start()
        jenkins.start()
        try:
            yield
        finally:
            await run_in_threadpool(courier.stop)
            receipts.stop()
            retention.stop()
            await run_in_threadpool(jenkins.stop)
            outbox.close()
            database.close()
            _log.info("service.stopped")

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
    app.state.service = dependencies.Service(
        live=current,
        authenticator=access,
        renderer=renderer,
        outbox=outbox,
        admin=OutboxAdmin(database, "the API"),
        receipts=ledger,
        worker=courier,
        readiness=Readiness(database, settings),
        metrics=metrics,
        rate_limiter=MailRateLimiter(settings.rate_limits, settings.digest_after),
    )
    for router in (reports.router, health.router, preview.router):
        app.include_router(
            router,
            dependencies=[Depends(dependencies.check_host)],
            responses=problems.described("default"),
        )
    problems.install(app, metrics)
    _describe(app)
    return app


def reload(app: FastAPI, load: Callable[[], Settings]) -> Settings:
    """Let settings take effect that were changed meanwhile; wrong ones change nothing.

    Args:
        app: the service.
        load: reads them anew.

    Returns:
        Those in force from now on.
    """
    service: dependencies.Service = app.state.service
    try:
        settings = load()
        _check_default(settings)
        updater.check(settings)
    except ConfigurationError as error:
        _log.error("settings.kept", reason=str(error))
        return service.settings
    except Exception:
        _log.exception("settings.kept")
        return service.settings
    service.renderer.use(settings.templates_dir)
    service.rate_limiter.use(settings.rate_limits, settings.digest_after)
    changed, fixed = service.live.replace(settings)
    _warn(settings)
    _log.info("settings.reloaded", changed=changed)
    if fixed:
        _log.warning("settings.restart_needed", settings=fixed, reason="restart to apply these")
    return service.settings


def _warn(settings: Settings) -> None:
    """Say what nobody should forget."""
    if settings.dry_run:
        _log.warning("mail.goes_nowhere", reason="DRY_RUN is set: Postfix gets no mail")
    elif settings.reroute_to:
        told = "REROUTE_TO is set: it gets all mail, and no recipient does"
        _log.warning("mail.goes_elsewhere", to=settings.reroute_to, reason=told)


def _check_default(settings: Settings) -> None:
    """Tell at start what every report without recipients would be told."""
    try:
        if settings.default_to is not None:
            resolve_recipients(Mail(), settings)
    except RequestError as error:
        raise ConfigurationError(f"Setting `default_to` can't be used: {error.detail}") from None


def _describe(app: FastAPI) -> None:
    """Tell OpenAPI of the body, which the route reads itself, and of what a problem is.

    An example and where its answer leads to make it something to try in /docs.
    """
    described = app.openapi()
    _, schema = models_json_schema(
        [(Report, "validation"), (problems.Problem, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    described["components"]["schemas"].update(schema["$defs"])
    post = described["paths"]["/v1/reports"]["post"]
    post["requestBody"]["content"]["application/json"]["example"] = _EXAMPLE
    post["responses"]["202"]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"report_id": "$response.body#/id"},
        }
        for path, operations in described["paths"].items()
        for operation in operations.values()
        if "{report_id}" in path
    }


_EXAMPLE = {
    "schema": 1,
    "build": {
        "job": "shop/checkout",
        "number": 2,
        "result": "FAILURE",
        "started_at": 1_764_000_000_000,
    },
    "mail": {"to": ["ada@example.com"]},
}
