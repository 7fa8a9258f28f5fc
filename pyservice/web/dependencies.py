"""FastAPI's dependencies: the service behind a request, and its caller."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from pyservice.auth.authenticator import Authenticator, Caller
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.worker import DeliveryWorker
from pyservice.mail.renderer import Renderer
from pyservice.metrics import Metrics
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.models import Event, QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.receipts import ReceiptStore
from pyservice.policy.rate_limits import MailRateLimiter
from pyservice.web.limits import HttpLimits
from pyservice.web.readiness import Readiness
from pyservice.web.request_checks import check_host


@dataclass(frozen=True)
class Service:
    """The parts of the service that the routes use."""

    live: LiveSettings
    authenticator: Authenticator
    renderer: Renderer
    outbox: Outbox
    admin: OutboxAdmin
    receipts: ReceiptStore
    worker: DeliveryWorker
    readiness: Readiness
    metrics: Metrics
    rate_limiter: MailRateLimiter
    limits: HttpLimits

    @property
    def settings(self) -> Settings:
        """The settings in force now."""
        return self.live.settings

    def link(self, path: str) -> str:
        """Return a link of a path: absolute only with PUBLIC_URL, since the Host header may lie."""
        return f"{self.settings.public_url or ''}{path}"


# Coroutines, though they wait for nothing: FastAPI runs each plain function in a thread.
async def get_service(request: Request) -> Service:
    """Return the service behind this request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


async def require_known_host(request: Request, service: ServiceDep) -> None:
    """Refuse a foreign Host header, unless a token decides who may call."""
    authorization = request.headers.get("authorization")
    if not service.authenticator.needs_token(authorization, _peer(request)):
        public = urlsplit(service.settings.public_url or "").hostname
        known = frozenset({public} if public else ())
        check_host(request.headers.get("host", ""), known)


class _Scheme(SecurityBase):
    """Describes a way to authenticate in OpenAPI; `get_caller` reads the header.

    FastAPI's own schemes also refuse requests, in their own words and with one challenge only.
    """

    def __init__(self, scheme: str) -> None:
        self.scheme_name = scheme
        self.model = HTTPBase(scheme=scheme)

    async def __call__(self) -> None:
        pass


async def get_caller(
    request: Request,
    service: ServiceDep,
    _bearer: Annotated[None, Depends(_Scheme("bearer"))],
    _basic: Annotated[None, Depends(_Scheme("basic"))],
) -> Caller:
    """Return the caller of this request."""
    caller = service.authenticator.authenticate(
        request.headers.get("authorization"), _peer(request)
    )
    request.state.owner = caller.name  # for the log, if the request is refused
    return caller


def _peer(request: Request) -> str | None:
    """Return the address of the connection's other end: uvicorn trusts no header (server.py)."""
    return request.client.host if request.client else None


CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_sender(caller: CallerDep) -> Caller:
    """Return the caller, if it may send reports."""
    caller.require("send")
    return caller


async def get_viewer(caller: CallerDep) -> Caller:
    """Return the caller, if it may see reports and previews."""
    caller.require("see")
    return caller


async def get_scraper(caller: CallerDep) -> None:
    """Refuse a caller that may not read /metrics."""
    caller.require("scrape")


Sender = Annotated[Caller, Depends(get_sender)]
Viewer = Annotated[Caller, Depends(get_viewer)]


def own_report(
    report_id: str, service: Service, caller: Caller
) -> tuple[QueuedReport, tuple[Event, ...]]:
    """Return a report that the caller owns, with its history.

    Raises:
        NotFoundError: there is none, or it has another owner.
        PolicyError: the caller's token was for the report's job, and is no longer.
    """
    entry, history = service.outbox.get(report_id, owner=caller.name)
    caller.permissions.check_job(entry.report.build.job)
    return entry, history
