"""Builds the service from its settings, as one ASGI application."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.types import Lifespan

from pyservice import __version__
from pyservice.auth.authenticator import Authenticator
from pyservice.auth.report_links import ReportLinks
from pyservice.auth.sessions import Sessions
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.worker import DeliveryWorker
from pyservice.description import updater
from pyservice.description.updater import DescriptionUpdater
from pyservice.errors import ConfigurationError, RequestError
from pyservice.events import Events
from pyservice.mail.renderer import Renderer
from pyservice.mail.template_watcher import TemplateWatcher
from pyservice.metrics import Metrics
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.capacity import Capacity
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from pyservice.outbox.reading import OutboxReader
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.retention import Retention
from pyservice.outbox.signing_key import SigningKey
from pyservice.policy.rate_limits import MailRateLimiter
from pyservice.policy.recipients import DENIED, resolve_recipients
from pyservice.postfix.log_watcher import LogWatcher
from pyservice.preview.previews import Previews
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker
from pyservice.web import dependencies, problems, static_files
from pyservice.web.bodies import BodyMemory
from pyservice.web.examination import Examiner
from pyservice.web.guard import Guard
from pyservice.web.limits import Limits
from pyservice.web.live import Hub
from pyservice.web.node_status import NodeStatus
from pyservice.web.outbox_watcher import OutboxWatcher
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
from pyservice.web.pages.errors import error_page
from pyservice.web.readiness import Readiness
from pyservice.web.routes import health, preview, reports
from pyservice.web.routes.live import router as live_router

ROUTERS = (
    *(reports.router, health.router, preview.router),
    *(home.router, gallery.router, preview_actions.router, checks.router, login.router),
    *(studio.router, compare.router),
    *(rates.router, desk.router, mail.router, doctor.router),  # /outbox/rates before /outbox/ID
    *(static_files.router, live_router),
)
LOAD_AFTER = 0.5
"""Seconds after the start until what the first report would wait for is loaded."""

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
    check_settings(settings)
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
    key = SigningKey(database)
    masker = SecretMasker(settings.secret_patterns)
    worker = DeliveryWorker(
        outbox,
        renderer,
        live,
        events,
        limits.delivery,
        permissions_of=authenticator.permissions_of,
        masker=masker,
    )
    log_watcher = LogWatcher(receipts, live, events, limits.log_watcher)
    metrics = Metrics()
    descriptions = DescriptionUpdater(live, database, receipts, limits.description)
    hub = Hub(limits.http.max_streams)
    reader = OutboxReader(database)
    outbox_watcher = OutboxWatcher(reader, hub)
    template_watcher = TemplateWatcher(live, lambda: hub.publish("templates"))
    for subscriber in (metrics, hub, descriptions):
        events.subscribe(subscriber.on_event)
    metrics.watch(database, log_watcher.is_log_readable, live)
    previews = Previews(live, outbox, masker, limits.preview)

    readiness = Readiness(
        database,
        settings,
        max_age=limits.http.readiness_age,
        greeting_timeout=limits.http.greeting_time,
        memory=limits.http.readiness_memory,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The log first: it shows which mails Postfix has, and these must not be sent again.
        await run_in_threadpool(log_watcher.start)
        for part in (worker, retention, descriptions, template_watcher, outbox_watcher):
            await run_in_threadpool(part.start)
        loading = threading.Thread(target=_load_early, args=(masker,), daemon=True)
        asyncio.get_running_loop().call_later(LOAD_AFTER, loading.start)
        try:
            yield
        finally:
            await run_in_threadpool(worker.stop)
            await run_in_threadpool(previews.close)
            for other in (template_watcher, outbox_watcher, log_watcher, retention, descriptions):
                await run_in_threadpool(other.stop)
            outbox.close()
            database.close()
            _log.info("service.stopped")

    app = _make_routes(lifespan)
    _describe_api()  # now, since it takes a tenth of a second, and the first caller would wait
    app.openapi = _describe_api  # type: ignore[method-assign]
    app.state.service = dependencies.Service(
        live=live,
        authenticator=authenticator,
        sessions=Sessions(authenticator, key),
        report_links=ReportLinks(key),
        renderer=renderer,
        previews=previews,
        outbox=outbox,
        admin=OutboxAdmin(database, "the API"),
        receipts=receipts,
        reader=reader,
        examiner=Examiner(),
        worker=worker,
        readiness=readiness,
        node_status=NodeStatus(readiness, live, log_watcher.is_log_readable),
        metrics=metrics,
        rate_limiter=MailRateLimiter(settings.rate_limits, settings.digest_after),
        masker=masker,
        limits=limits.http,
        body_memory=BodyMemory(limits.http.max_bodies),
        hub=hub,
    )
    app.add_middleware(Guard)
    problems.add_exception_handlers(app, metrics, error_page)
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
    service.live.is_reload_successful = False
    try:
        settings = load()
        check_settings(settings)
    except ConfigurationError as error:
        _log.error("settings.reload_failed", reason=str(error))
        return service.settings
    except Exception:
        _log.exception("settings.reload_failed")
        return service.settings
    service.renderer.use(settings.templates_dir)
    service.previews.use(settings.templates_dir)
    service.masker.use(settings.secret_patterns)
    service.rate_limiter.use(settings.rate_limits, settings.digest_after)
    changed, fixed = service.live.replace(settings)
    service.live.is_reload_successful = True
    _warn_if_diverted(settings)
    _log.info("settings.reloaded", changed=changed)
    if fixed:
        _log.warning("settings.restart_needed", settings=fixed, reason="restart to apply these")
    return service.settings


def _warn_if_diverted(settings: Settings) -> None:
    """Remind the administrator of a setting by which recipients get no mail."""
    if settings.dry_run:
        _log.warning("dry_run.enabled", reason="NOTIFY_EMAIL_DRY_RUN is set: Postfix gets no mail")
    elif settings.reroute_to:
        reason = (
            "NOTIFY_EMAIL_REROUTE_TO is set: this address gets all mail, and the recipients get "
            "none"
        )
        _log.warning("reroute.enabled", to=settings.reroute_to, reason=reason)


def check_settings(settings: Settings) -> None:
    """Check settings together, and the files that they name.

    Raises:
        ConfigurationError: there is no sender; every report without recipients would be refused, or
            miss one; or the file with Jenkins' token can't be used.
    """
    _ = settings.sender_mailbox
    if settings.default_to is not None:
        _check_default_recipients(settings)
    updater.check(settings)


def _check_default_recipients(settings: Settings) -> None:
    try:
        report = Report.model_validate(_EXAMPLE | {"mail": {}})
        left_out = resolve_recipients(report, settings).left_out
    except RequestError as error:
        raise ConfigurationError(f"Setting `default_to` can't be used: {error.detail}") from None
    for entry in left_out:
        if entry.reason != DENIED:
            raise ConfigurationError(f"Setting `default_to`: {entry.sentence}.")


def _load_early(masker: SecretMasker) -> None:
    """Load the patterns of secrets, which the first report does if the system lacks the means."""
    with suppress(OSError, ImportError):
        masker.load()


def _make_routes(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
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
def _describe_api() -> dict[str, Any]:
    """Return the OpenAPI document, which is the same for every service of a process.

    It has the schemas of a report's body, which the route reads itself, and of a problem. An
    example and links from its answer make it possible to try the API in /docs.
    """
    document = _make_routes().openapi()
    _, schema = models_json_schema(
        [(model, "validation") for model in (Report, problems.Problem, preview.FaultyTemplate)],
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
    return document


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
