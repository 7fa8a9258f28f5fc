"""FastAPI's dependencies: the service behind a request, and its caller."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from pyservice.auth.authenticator import Authenticator, Caller
from pyservice.auth.report_links import ReportLinks
from pyservice.auth.sessions import Sessions
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.delivery.worker import DeliveryWorker
from pyservice.errors import RequestError
from pyservice.logs import Throttle
from pyservice.mail.renderer import Renderer
from pyservice.metrics import Metrics
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.models import Event, QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.reading import OutboxReader
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.search import Summary
from pyservice.policy.rate_limits import MailRateLimiter
from pyservice.preview.previews import Previews
from pyservice.preview.source import own_report as find_own_report
from pyservice.report.secrets import SecretMasker
from pyservice.web.bodies import BodyMemory
from pyservice.web.browsers import session_cookie
from pyservice.web.examination import Examiner
from pyservice.web.limits import HttpLimits
from pyservice.web.live import Hub
from pyservice.web.node_status import NodeStatus
from pyservice.web.readiness import Readiness


@dataclass(frozen=True)
class Service:
    """The parts of the service that the routes use."""

    live: LiveSettings
    authenticator: Authenticator
    sessions: Sessions
    wrong_tokens: Throttle
    """Of the log lines about them at the login."""
    strangers: defaultdict[int, Throttle]
    """Of the log lines about requests that are refused before their caller is known, by status."""
    report_links: ReportLinks
    renderer: Renderer
    previews: Previews
    outbox: Outbox
    admin: OutboxAdmin
    receipts: ReceiptStore
    reader: OutboxReader
    examiner: Examiner
    worker: DeliveryWorker
    readiness: Readiness
    node_status: NodeStatus
    metrics: Metrics
    rate_limiter: MailRateLimiter
    masker: SecretMasker
    limits: HttpLimits
    body_memory: BodyMemory
    hub: Hub

    @property
    def settings(self) -> Settings:
        """The settings in force now."""
        return self.live.settings

    def link(self, path: str) -> str:
        """Return a link of a path: absolute only with PUBLIC_URL, since the Host header may lie."""
        return f"{self.settings.public_url or ''}{path}"

    def public_id(self, report_id: str, caller: Caller) -> str:
        """Return a report's ID for links that its caller shows to others, as in a build's log.

        It is signed, if a browser needs a token without that, and the caller may see the report.
        """
        if self.authenticator.has_tokens and "see" in caller.permissions.may:
            return self.report_links.sign(report_id)
        return report_id

    def retry(self, report_id: str, caller: Caller) -> Summary:
        """Try a mail of the caller's at once, as `OutboxAdmin.retry` does, and tell open pages."""
        summary = self.admin.retry(report_id, owner=caller.owner_filter)
        self.worker.wake()
        self.hub.publish("outbox", summary.owner, summary.job)
        return summary

    def cancel(self, report_id: str, caller: Caller) -> Summary:
        """Cancel a mail of the caller's, as `OutboxAdmin.cancel` does, and tell open pages."""
        summary = self.admin.cancel(report_id, owner=caller.owner_filter)
        self.hub.publish("outbox", summary.owner, summary.job)
        return summary


# Coroutines, though they wait for nothing: FastAPI runs each plain function in a thread.
async def get_service(request: Request) -> Service:
    """Return the service behind this request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


class _Scheme(SecurityBase):
    """Describes a way to authenticate in OpenAPI; `get_caller` reads the header.

    FastAPI's own schemes also refuse requests, in their own words and with one challenge only.
    """

    def __init__(self, scheme: str) -> None:
        self.scheme_name = scheme
        self.model = HTTPBase(scheme=scheme)

    async def __call__(self) -> None:
        pass


Bearer = Annotated[None, Depends(_Scheme("bearer"))]
Basic = Annotated[None, Depends(_Scheme("basic"))]


async def get_caller(
    request: Request,
    service: ServiceDep,
    _bearer: Bearer,
    _basic: Basic,
) -> Caller:
    """Return the caller of this request."""
    return find_caller(request, service)


def find_caller(request: Request, service: Service) -> Caller:
    """Return the caller of a request, as the tokens are now: by its header, or by its session.

    Raises:
        RequestError: it has no token that it needs, or may not call.
    """
    cookie = session_cookie(request, service.settings)
    caller = service.sessions.caller(cookie) if cookie else None
    request.state.has_session = caller is not None  # for the page, which then shows who that is
    if caller is None:
        authorization = request.headers.get("authorization")
        caller = service.authenticator.authenticate(authorization, peer(request))
    request.state.owner = caller.name  # for the log, if the request is refused
    return caller


def peer(request: Request) -> str | None:
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


async def get_changer(caller: CallerDep) -> Caller:
    """Return the caller, if it may change the reports that it sees: retry and cancel them."""
    caller.require("see")
    if "operate" not in caller.permissions.may:
        caller.require("send")
    return caller


async def get_visitor(request: Request, service: ServiceDep) -> Caller | None:
    """Return the caller, if it may see reports; None: it sees what is for everybody."""
    try:
        return await get_viewer(find_caller(request, service))
    except RequestError:
        return None


async def get_preview_caller(
    template: str, source: str, request: Request, service: ServiceDep, _b: Bearer, _c: Basic
) -> Caller | None:
    """Return who sees a preview; None: it is of what everybody may see.

    Raises:
        RequestError: it is of something else, and the caller may not see that.
    """
    visitor = await get_visitor(request, service)
    if visitor is None and not service.previews.is_public(template, source):
        return await get_viewer(find_caller(request, service))
    return visitor


Sender = Annotated[Caller, Depends(get_sender)]
Viewer = Annotated[Caller, Depends(get_viewer)]
Changer = Annotated[Caller, Depends(get_changer)]
Visitor = Annotated[Caller | None, Depends(get_visitor)]
PreviewCaller = Annotated[Caller | None, Depends(get_preview_caller)]


def own_report(
    report_id: str, service: Service, caller: Caller
) -> tuple[QueuedReport, tuple[Event, ...]]:
    """Return a report that the caller may see, with its history, as preview/source.py has it."""
    return find_own_report(report_id, service.outbox, caller)


@dataclass(frozen=True)
class SeenReport:
    """A report as one request may see it."""

    entry: QueuedReport
    history: tuple[Event, ...]
    caller: Caller | None
    """Who sees it; None: whoever has its link, and may change nothing."""

    def related(self, report_id: str, service: Service) -> QueuedReport:
        """Return the digest that shows it, for whom this is seen by.

        Raises:
            RequestError: there is none, or its caller may not see it.
        """
        if self.caller is not None:
            return own_report(report_id, service, self.caller)[0]
        return service.outbox.get(report_id, owner=self.entry.owner)[0]


def get_seen_report(
    report_id: str, request: Request, service: ServiceDep, _bearer: Bearer, _basic: Basic
) -> SeenReport:
    """Return a report for its caller, or for a browser with the link that the service handed out.

    Raises:
        RequestError: there is no such report, or its caller may not see it.
    """
    ref = service.report_links.read(report_id)
    try:
        caller = find_caller(request, service)
        caller.require("see")
        return SeenReport(*own_report(ref.id, service, caller), caller)
    except RequestError:
        if not ref.is_signed or "authorization" in request.headers:
            raise
        return SeenReport(*service.outbox.get(ref.id, owner=None), None)


SeenReportDep = Annotated[SeenReport, Depends(get_seen_report)]
