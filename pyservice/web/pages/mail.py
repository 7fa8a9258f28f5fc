"""One mail of the outbox: what became of it, why, and what a person can do about it."""

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from pyservice.auth.authenticator import Caller
from pyservice.errors import ConflictError, PolicyError, RequestError
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.refusals import refusals
from pyservice.outbox.search import Filter, Summary
from pyservice.outbox.states import State
from pyservice.policy.recipients import KINDS
from pyservice.preview.source import require_mail
from pyservice.setup.doctor.mail_troubles import troubles
from pyservice.web.dependencies import (
    Changer,
    SeenReport,
    SeenReportDep,
    Sender,
    Service,
    ServiceDep,
    Viewer,
    own_report,
)
from pyservice.web.guests import for_guest
from pyservice.web.intake import accept_report, for_readers
from pyservice.web.pages.outbox import live_fragment, may_change, part_version
from pyservice.web.pages.page import page

MESSAGES = {
    "retried": "It is tried again at once.",
    "cancelled": "It is cancelled: the recipients that waited get no mail.",
    "sent": "This is a new mail with the same report.",
}
"""What is said after an action, by the name in the address."""

router = APIRouter(include_in_schema=False)


@router.get("/outbox/{report_id}")
def get_mail(
    request: Request,
    seen_report: SeenReportDep,
    service: ServiceDep,
    part: str = "",
    seen: str = "",
    done: str = "",
) -> Response:
    """Return the page of a mail; `part=status` is what changes, alone for htmx."""
    status = _status(service, seen_report, request.path_params["report_id"])
    if part == "status":
        return live_fragment(request, "_mail_status.html", seen, **status)
    return _page(request, service, seen_report, status, message=MESSAGES.get(done, ""))


@router.post("/outbox/{report_id}/retry")
def retry(report_id: str, request: Request, service: ServiceDep, caller: Changer) -> Response:
    """Try a mail at once."""
    return _change(request, service, caller, report_id, service.retry, "retried")


@router.post("/outbox/{report_id}/cancel")
def cancel(report_id: str, request: Request, service: ServiceDep, caller: Changer) -> Response:
    """Never send a mail."""
    return _change(request, service, caller, report_id, service.cancel, "cancelled")


@router.post("/outbox/{report_id}/again")
async def send_again(
    report_id: str,
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    _: Sender,
    to: Annotated[str, Form(max_length=1000)] = "",
    key: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Send a report once more, as a new one to other people, and lead to its page."""
    entry, _history = await run_in_threadpool(own_report, report_id, service, caller)
    try:
        report = for_readers(entry.report, to)
        new, _is_new = await accept_report(report, service, caller, f"again:{entry.id}:{key}")
    except RequestError as error:
        return await run_in_threadpool(_refused, request, service, caller, report_id, error, to)
    return _to_page(new.id, "sent")


@router.get("/outbox/{report_id}/export")
def export(report_id: str, service: ServiceDep, caller: Viewer) -> Response:
    """Return all that the outbox has of a report, as a file with JSON."""
    entry, _ = own_report(report_id, service, caller)
    require_mail(entry, service.outbox, caller)  # it is in the file
    name = f'attachment; filename="{entry.id}.json"'
    return JSONResponse(service.reader.export(entry.id), headers={"Content-Disposition": name})


def _page(
    request: Request,
    service: Service,
    seen_report: SeenReport,
    status: dict[str, Any],
    *,
    code: int = 200,
    message: str = "",
    error: str = "",
    again_to: str = "",
) -> Response:
    entry, caller = seen_report.entry, seen_report.caller
    build = entry.report.build
    return page(
        request,
        "one_mail.html",
        title=f"{build.job} #{build.number}",
        status=code,
        can_send=caller is not None and "send" in caller.permissions.may,
        key=secrets.token_hex(8),
        no_mail=_why_no_mail(entry, service, caller),
        seen=part_version(request, "_mail_status.html", **status),
        **status,
        message=message,
        error=error,
        again_to=again_to,
    )


def _status(service: Service, seen_report: SeenReport, shown_id: str) -> dict[str, Any]:
    """Return the variables of `_mail_status.html`."""
    entry, history, caller = seen_report.entry, seen_report.history, seen_report.caller
    receipts = service.receipts.receipts(entry)
    if caller is None:
        entry, history, receipts = for_guest(entry, history, receipts)
    bounds = Filter(caller.owner_filter, caller.permissions.jobs) if caller else None
    is_digest = entry.digest_id == entry.id
    is_theirs, has_ended = caller is not None and may_change(caller), entry.next_attempt_at is None
    is_wanting = not has_ended or entry.state in {State.FAILED, State.SKIPPED}
    is_wanting &= not entry.report.mail.dry_run  # it would be made once more, and not sent
    return {
        "entry": entry,
        "can_retry": is_theirs and is_wanting and bool(entry.recipients.addresses),
        "can_cancel": is_theirs and not has_ended,
        "shown_id": shown_id,
        "build": entry.report.build,
        "history": history,
        "receipts": {receipt.recipient: receipt for receipt in receipts},
        "people": _people(entry),
        "refused": refusals(entry.error),
        "troubles": troubles(entry, history, receipts, time.time()),
        "dialogues": service.reader.dialogues(entry.id),
        "members": service.reader.members(entry.id, bounds) if bounds and is_digest else [],
        "thread": service.reader.same_thread(entry, bounds) if bounds else [],
        "is_guest": caller is None,
    }


def _why_no_mail(entry: QueuedReport, service: Service, caller: Caller | None) -> str:
    """Return why the page shows no mail; empty: it does."""
    if entry.mail is None and not entry.recipients.addresses and entry.digest_id is None:
        return "Nobody gets one, so none was made."
    try:
        require_mail(entry, service.outbox, caller)
    except PolicyError as error:
        return error.detail
    return ""


def _people(entry: QueuedReport) -> list[tuple[str, str]]:
    """Return each recipient's address, and in which field it is."""
    kinds: dict[str, str] = {}
    for kind in KINDS:
        for box in getattr(entry.recipients, kind):
            kinds.setdefault(box.address, kind)
    return list(kinds.items())


def _change(
    request: Request,
    service: Service,
    caller: Caller,
    report_id: str,
    change: Callable[[str, Caller], Summary],
    done: str,
) -> Response:
    """Change a mail, and lead to its page; or return the page, which says why nothing was done."""
    entry, _ = own_report(report_id, service, caller)
    try:
        change(entry.id, caller)
    except ConflictError as error:
        return _refused(request, service, caller, report_id, error)
    return _to_page(report_id, done)


def _refused(
    request: Request,
    service: Service,
    caller: Caller,
    report_id: str,
    error: RequestError,
    again_to: str = "",
) -> Response:
    """Return the page of a mail that says why nothing was done."""
    seen_report = SeenReport(*own_report(report_id, service, caller), caller)
    status = _status(service, seen_report, report_id)
    details = "; ".join(sentence for _, sentence in error.errors)
    text = f"{error.detail} {details}".strip()
    return _page(
        request, service, seen_report, status, code=error.status, error=text, again_to=again_to
    )


def _to_page(report_id: str, done: str) -> Response:
    return RedirectResponse(f"/outbox/{report_id}?{urlencode({'done': done})}", 303)
