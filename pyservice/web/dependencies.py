"""What the routes work with, and who may ask them: FastAPI's dependencies."""

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
from pyservice.web import problems
from pyservice.web.readiness import Readiness


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

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

    @property
    def settings(self) -> Settings:
        """Those in force now."""
        return self.live.settings

    def link(self, path: str) -> str:
        """A path as a link: absolute only where PUBLIC_URL says how; the Host header may lie."""
        return f"{self.settings.public_url or ''}{path}"


# Coroutines, though they wait for nothing: plain functions would each take a turn in a thread.
async def get_service(request: Request) -> Service:
    """The service behind this request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


async def check_host(request: Request, service: ServiceDep) -> None:
    """Refuse a foreign Host header where there is no token to tell friends by."""
    authorization = request.headers.get("authorization")
    if not service.authenticator.is_by_token(authorization, _peer(request)):
        public = urlsplit(service.settings.public_url or "").hostname
        known = frozenset({public} if public else ())
        problems.check_host(request.headers.get("host", ""), known)


class _Scheme(SecurityBase):
    """Tells OpenAPI of a way to authenticate, and leaves it to `get_owner` to read the header.

    FastAPI's own ones also refuse, in their own words and with one challenge only.
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
    """Who sent this request."""
    caller = service.authenticator.caller(request.headers.get("authorization"), _peer(request))
    request.state.owner = caller.name  # for the log, if it is refused
    return caller


def _peer(request: Request) -> str | None:
    """The address at the other end, which no header has a say in: uvicorn is told so."""
    return request.client.host if request.client else None


CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_sender(caller: CallerDep) -> Caller:
    """The caller, who may send reports."""
    caller.require("send")
    return caller


async def get_viewer(caller: CallerDep) -> Caller:
    """The caller, who may see reports and previews."""
    caller.require("see")
    return caller


async def get_scraper(caller: CallerDep) -> None:
    """The caller, who may read /metrics."""
    caller.require("scrape")


Sender = Annotated[Caller, Depends(get_sender)]
Viewer = Annotated[Caller, Depends(get_viewer)]


def own_report(
    report_id: str, service: Service, caller: Caller
) -> tuple[QueuedReport, tuple[Event, ...]]:
    """A report of the caller's, with its history.

    Raises:
        NotFoundError: there is none, or it is another's.
        PolicyError: it is of a job that the caller's token was for, and is no longer.
    """
    entry, history = service.outbox.get(report_id, owner=caller.name)
    caller.permissions.check_job(entry.report.build.job)
    return entry, history
