"""Takes a report from a request's body into the outbox: the one way, for programs and people."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog
from starlette.concurrency import run_in_threadpool

from pyservice.addresses import mailboxes
from pyservice.auth.authenticator import Caller
from pyservice.errors import InvalidError
from pyservice.outbox.models import QueuedReport
from pyservice.policy.attachments import allowed_attachments, without_unread_files
from pyservice.policy.rate_limits import DigestGroup
from pyservice.policy.recipients import Recipients, resolve_recipients
from pyservice.policy.sender import resolve_sender, without_strangers_wishes
from pyservice.report.schema import Report
from pyservice.web.bodies import check_size
from pyservice.web.dependencies import Service

USUAL_BODY = 64 * 1024
"""Bytes of a report that is read in the event loop: that takes about a millisecond."""

_log = structlog.get_logger()
_P = ParamSpec("_P")
_T = TypeVar("_T")


async def read_report(body: bytes, service: Service, caller: Caller) -> Report:
    """Return the report in a body, without its secrets: nothing stores, hashes or shows those.

    Args:
        body: the request's.
        service: the service.
        caller: whose token decides whether the service reads the build's files of Jenkins.

    Raises:
        RequestError: it is no report, or is too large.
    """
    report = await _run(_is_usual(len(body), service), _read, body, service)
    wants_files = report.mail.attach or report.mail.attach_log
    if wants_files and not service.worker.reads_files(report, caller.name):
        report = without_unread_files(report)
    return report


async def accept_report(
    report: Report, service: Service, caller: Caller, key: str | None = None, *, size: int = 0
) -> tuple[QueuedReport, bool]:
    """Commit a report; its mail is made and sent afterwards.

    Args:
        report: as `read_report` returns it.
        service: the service.
        caller: who sends it.
        key: the caller's idempotency key; None: the report's hash is the key.
        size: bytes of its body.

    Returns:
        The report in the outbox, and whether it is new there.

    Raises:
        RequestError: the settings or the caller's token don't allow it, or the outbox is full.
    """
    service.renderer.require(report.mail.template)
    domains = caller.permissions.recipient_domains
    # To find the suspects is to read the whole log.
    is_quick = _is_usual(size, service) and "suspects" not in report.mail.recipients
    recipients = await _run(is_quick, resolve_recipients, report, service.settings, domains)
    sender = resolve_sender(report.mail, service.settings)
    caller.permissions.check(report, recipients, sender)
    accepted = service.worker.accept_and_send(
        report,
        recipients,
        owner=caller.name,
        controller=caller.permissions.controller,
        key=key,
        digest_group=await _count_if_new(service, caller, report, recipients, key),
    )
    entry, is_new = await asyncio.wrap_future(accepted)
    _record(service, entry, is_new=is_new, missing=len(report.left_out))
    return entry, is_new


def for_readers(report: Report, to: str) -> Report:
    """Return a report whose mail a person sends to these readers alone, also after a dry run.

    Args:
        report: what the mail shows.
        to: the readers' addresses, as a person types them.

    Raises:
        InvalidError: it has no address, or something that is none.
    """
    try:
        addresses = [box.address for box in mailboxes(to)]
    except ValueError as error:
        raise InvalidError(f"This is no mail address: {error}.") from None
    if not addresses:
        raise InvalidError("Give the address to send it to.")
    nobody_else = {"cc": None, "bcc": None, "recipients": list[str](), "to_is_default": False}
    mail = report.mail.model_copy(update={"to": addresses, "dry_run": False, **nobody_else})
    return report.model_copy(update={"mail": mail})


def _is_usual(size: int, service: Service) -> bool:
    """Return whether a report is read in the event loop: switching to a thread takes longer than a
    usual report; a large one would keep others waiting.
    """
    return size <= USUAL_BODY and service.masker.is_loaded


async def _run(is_here: bool, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a step in the event loop, or in a thread."""
    if is_here:
        return step(*args, **kwargs)
    return await run_in_threadpool(step, *args, **kwargs)


def _read(body: bytes, service: Service) -> Report:
    report = without_strangers_wishes(Report.parse(body))
    check_size(body, report, service.limits)
    report = allowed_attachments(report, service.settings.max_attachment_bytes)
    if report.mail.is_preview:  # else a caller's mails would count against no rate
        mail = report.mail.model_copy(update={"is_preview": False})
        report = report.model_copy(update={"mail": mail})
    return service.masker.mask(report)


async def _count_if_new(
    service: Service, caller: Caller, report: Report, recipients: Recipients, key: str | None
) -> DigestGroup | None:
    """Count a report against the rates, unless the outbox has it already.

    Returns:
        The group in which it waits for a digest; None: it gets a mail of its own.

    Raises:
        RateExceededError: the token's rate is used up.
    """
    if not caller.permissions.rate and not service.rate_limiter.has_rates:
        return None  # nothing to count, so nothing to read

    # The transaction decides which report is new, and it comes later. So two equal calls in the
    # same moment may both be counted. That is harmless: a later mail becomes a digest too early.
    # A call that meets a full outbox is counted, too: Jenkins then mails the build itself.
    def count() -> DigestGroup | None:
        if service.admin.knows(report, caller.name, key):
            return None
        service.authenticator.count_report(caller)
        # A dry run sends nothing, and who sends a preview waits for it.
        if not recipients.addresses or report.mail.dry_run or report.mail.is_preview:
            return None
        return service.rate_limiter.decide(report, recipients, owner=caller.name)

    return await run_in_threadpool(count)


def _record(service: Service, entry: QueuedReport, *, is_new: bool, missing: int) -> None:
    """Count and log a report that is committed."""
    service.readiness.report_answered()
    build, recipients = entry.report.build, entry.recipients
    if is_new:
        service.metrics.report_accepted()
        service.hub.publish("outbox", entry.owner, build.job)
    _log.info(
        "report.accepted" if is_new else "report.repeated",
        id=entry.id,
        owner=entry.owner,
        job=build.job,
        number=build.number,
        result=build.result,
        recipients=len(recipients.addresses),
        left_out=len(recipients.left_out),
        missing=missing,
        masked=entry.report.masked,
        waits_for_digest=entry.digest_group is not None,
    )
