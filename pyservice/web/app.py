"""Builds the service from its settings, as one ASGI application."""

import socket
from collections import defaultdict

from fastapi import FastAPI

from pyservice.auth.authenticator import Authenticator
from pyservice.auth.report_links import ReportLinks
from pyservice.auth.sessions import Sessions
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.worker import DeliveryWorker
from pyservice.description.updater import DescriptionUpdater
from pyservice.events import Events
from pyservice.logs import Throttle
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
from pyservice.postfix.log_watcher import LogWatcher
from pyservice.preview.previews import Previews
from pyservice.report.secrets import SecretMasker
from pyservice.web import dependencies, problems
from pyservice.web.api import describe_api, make_routes
from pyservice.web.background import Background
from pyservice.web.bodies import BodyMemory
from pyservice.web.examination import Examiner
from pyservice.web.guard import Guard
from pyservice.web.limits import Limits
from pyservice.web.live import Hub
from pyservice.web.node_status import NodeStatus
from pyservice.web.outbox_watcher import OutboxWatcher
from pyservice.web.pages.errors import error_page
from pyservice.web.readiness import Readiness
from pyservice.web.reloading import check_settings, warn_if_diverted


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
    warn_if_diverted(settings)
    authenticator = Authenticator(settings)
    renderer = Renderer(settings.templates_dir)
    host = settings.sender_mailbox.address.rpartition("@")[2]
    node = socket.gethostname()
    database = Database(settings.outbox_url, lock_timeout=limits.outbox.lock_timeout)
    capacity = Capacity(live)
    outbox = Outbox(database, host=host, node=node, capacity=capacity, limits=limits.outbox)
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

    background = Background(
        log_watcher=log_watcher,
        worker=worker,
        retention=Retention(database, live),
        descriptions=descriptions,
        template_watcher=TemplateWatcher(live, lambda: hub.publish("templates")),
        outbox_watcher=OutboxWatcher(reader, hub),
        masker=masker,
        previews=previews,
        outbox=outbox,
        database=database,
    )
    app = make_routes(background.lifespan)
    describe_api()  # now, since it takes a tenth of a second, and the first caller would wait
    app.openapi = describe_api  # type: ignore[method-assign]
    app.state.service = dependencies.Service(
        live=live,
        authenticator=authenticator,
        sessions=Sessions(authenticator, key),
        wrong_tokens=Throttle(),
        strangers=defaultdict(Throttle),
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
