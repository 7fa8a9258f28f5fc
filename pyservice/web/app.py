"""Builds the service from its settings, as one ASGI application."""

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
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker
from pyservice.web import dependencies, problems
from pyservice.web.limits import Limits
from pyservice.web.readiness import Readiness
from pyservice.web.routes import health, preview, reports

_log = structlog.get_logger()


def create_app(settings: Settings, limits: Limits = Limits()) -> FastAPI:
    """Return the service, with its outbox open and its delivery worker ready to start.

    Args:
        settings: the administrator's.
        limits: of all parts of the service.

    Raises:
        ConfigurationError: the outbox, the tokens file, the file with Jenkins' token or the default
            recipients can't be used.
    """
    _check_default_recipients(settings)
    updater.check(settings)
    live = LiveSettings(settings)
    _warn_if_diverted(settings)
    authenticator = Authenticator(settings)
    renderer = Renderer(settings.templates_dir)
    host = settings.sender_mailbox.address.rpartition("@")[2]
    node = socket.gethostname()
    database = Database(settings.outbox_url, lock_timeout=limits.outbox.lock_timeout)
    capacity = Capacity(live)
    outbox = Outbox(database, host=host, node=node, capacity=capacity, limits=limits.outbox)
    retention = Retention(database, live)
    receipts = ReceiptStore(database, node)
    events = Events()
    worker = DeliveryWorker(
        outbox,
        renderer,
        live,
        events,
        limits.delivery,
        permissions_of=authenticator.permissions_of,
        masker=SecretMasker(settings.secret_patterns),
    )
    log_watcher = LogWatcher(receipts, live, events, limits.log_watcher)
    metrics = Metrics()
    descriptions = DescriptionUpdater(live, database, receipts, limits.description)
    events.subscribe(metrics.on_event)
    events.subscribe(descriptions.on_event)
    metrics.watch(database, log_watcher.is_log_readable, live)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The log first: it shows which mails Postfix has, and these must not be sent again.
        await run_in_threadpool(log_watcher.start)
        worker.start()
        retention.start()
        descriptions.start()
        try:
            yield
        finally:
            await run_in_threadpool(worker.stop)
            log_watcher.stop()
            retention.stop()
            await run_in_threadpool(descriptions.stop)
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
        live=live,
        authenticator=authenticator,
        renderer=renderer,
        outbox=outbox,
        admin=OutboxAdmin(database, "the API"),
        receipts=receipts,
        worker=worker,
        readiness=Readiness(
            database,
            settings,
            max_age=limits.http.readiness_age,
            greeting_timeout=limits.http.greeting_time,
        ),
        metrics=metrics,
        rate_limiter=MailRateLimiter(settings.rate_limits, settings.digest_after),
        limits=limits.http,
    )
    for router in (reports.router, health.router, preview.router):
        app.include_router(
            router,
            dependencies=[Depends(dependencies.require_known_host)],
            responses=problems.problem_responses("default"),
        )
    problems.add_exception_handlers(app, metrics)
    _complete_openapi(app)
    return app


def reload(app: FastAPI, load: Callable[[], Settings]) -> Settings:
    """Apply settings that have changed; if they can't be used, keep those in force.

    Args:
        app: the service.
        load: reads the settings.

    Returns:
        The settings in force from now on.
    """
    service: dependencies.Service = app.state.service
    try:
        settings = load()
        _check_default_recipients(settings)
        updater.check(settings)
    except ConfigurationError as error:
        _log.error("settings.reload_failed", reason=str(error))
        return service.settings
    except Exception:
        _log.exception("settings.reload_failed")
        return service.settings
    service.renderer.use(settings.templates_dir)
    service.rate_limiter.use(settings.rate_limits, settings.digest_after)
    changed, fixed = service.live.replace(settings)
    _warn_if_diverted(settings)
    _log.info("settings.reloaded", changed=changed)
    if fixed:
        _log.warning("settings.restart_needed", settings=fixed, reason="restart to apply these")
    return service.settings


def _warn_if_diverted(settings: Settings) -> None:
    """Remind the administrator of a setting by which recipients get no mail."""
    if settings.dry_run:
        _log.warning("dry_run.enabled", reason="DRY_RUN is set: Postfix gets no mail")
    elif settings.reroute_to:
        reason = "REROUTE_TO is set: this address gets all mail, and the recipients get none"
        _log.warning("reroute.enabled", to=settings.reroute_to, reason=reason)


def _check_default_recipients(settings: Settings) -> None:
    """Refuse at start what would make every report without recipients fail."""
    try:
        if settings.default_to is not None:
            resolve_recipients(Report.model_validate(_EXAMPLE | {"mail": {}}), settings)
    except RequestError as error:
        raise ConfigurationError(f"Setting `default_to` can't be used: {error.detail}") from None


def _complete_openapi(app: FastAPI) -> None:
    """Add the schemas of the body, which the route reads itself, and of a problem.

    An example and links from its answer make it possible to try the API in /docs.
    """
    document = app.openapi()
    _, schema = models_json_schema(
        [(Report, "validation"), (problems.Problem, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    document["components"]["schemas"].update(schema["$defs"])
    post = document["paths"]["/v1/reports"]["post"]
    post["requestBody"]["content"]["application/json"]["example"] = _EXAMPLE
    post["responses"]["202"]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"report_id": "$response.body#/id"},
        }
        for path, operations in document["paths"].items()
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
