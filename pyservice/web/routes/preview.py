"""The routes of previews: every template with every sample, and the mail of each report."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.analysis.digest import Digest
from pyservice.errors import NotFoundError
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import DIGEST
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report
from pyservice.samples import storms
from pyservice.web.dependencies import Service, ServiceDep, Viewer, own_report
from pyservice.web.pages import Part, View, list_page, mail_page, mail_part

router = APIRouter(tags=["preview"], include_in_schema=True)

_READER = Recipients(to=(Mailbox("Reader", "reader@example.com"),))

PartQuery = Annotated[Part | None, Query(description="One part alone, without the page around it")]
ViewQuery = Annotated[View, Query(description="How wide the page shows it")]


@router.get("/favicon.ico", include_in_schema=False, status_code=204)
def get_icon() -> None:
    """Answer browsers, which request it; a 404 would look like a fault."""


@router.get("/preview", summary="All templates and samples", response_class=Response)
def get_index(service: ServiceDep, _caller: Viewer) -> Response:
    """Return a page with a link to each."""
    builds = [(name, samples.load(name).build) for name in samples.names()]
    return list_page(
        "Mail previews",
        "Recorded builds in each template, and many at once, made by the code that sends.",
        {
            template: [
                (
                    f"/preview/{template}/{name}",
                    name,
                    f"{build.full_display_name}, {build.result}",
                )
                for name, build in builds
            ]
            for template in service.renderer.names()
        }
        | {
            DIGEST: [
                (f"/preview/{DIGEST}/{name}", name, f"{storms.load_digest(name).total} builds")
                for name in storms.names()
            ]
        },
    )


@router.get(
    "/preview/{template}/{sample}",
    summary="A recorded build in a template",
    response_class=Response,
)
def get_sample(
    template: Annotated[str, Path(examples=["build"])],
    sample: Annotated[str, Path(examples=["2-failure"])],
    service: ServiceDep,
    _caller: Viewer,
    part: PartQuery = None,
    view: ViewQuery = "desktop",
) -> Response:
    """Return the mail of this build, made with this template."""
    mail = _sample_mail(template, sample, service)
    if part is not None:
        return mail_part(mail, part)
    return mail_page(mail, title=f"{template} / {sample}", view=view, back="/preview")


@router.get(
    "/v1/reports/{report_id}/preview",
    summary="The mail of a report",
    response_class=Response,
)
def get_report_preview(
    report_id: str,
    service: ServiceDep,
    caller: Viewer,
    part: PartQuery = None,
    view: ViewQuery = "desktop",
) -> Response:
    """Return the mail that was or will be sent: the digest, if a digest shows the build."""
    entry, _ = own_report(report_id, service, caller)
    if entry.digest_id not in {None, entry.id}:
        entry, _ = own_report(str(entry.digest_id), service, caller)
    sender = service.settings.sender_mailbox
    addressing = Addressing(sender, entry.recipients, entry.message_id, entry.date)
    mail = entry.mail or compose(entry.report, addressing, service.renderer)
    if part is not None:
        return mail_part(mail, part)
    return mail_page(mail, title=report_id, view=view, back="/preview")


def _sample_mail(template: str, sample: str, service: Service) -> bytes:
    names = [*service.renderer.names(), DIGEST]
    if template not in names:
        raise NotFoundError(f"There is no template of this name; there are: {', '.join(names)}.")
    try:
        content, at = _sample(template, sample)
    except KeyError:
        known = ", ".join(storms.names() if template == DIGEST else samples.names())
        raise NotFoundError(f"There is no sample of this name; there are: {known}.") from None
    sender = service.settings.sender_mailbox
    host = sender.address.rpartition("@")[2]
    date = datetime.fromtimestamp(at / 1000, UTC)
    addressing = Addressing(sender, _READER, f"<preview.{sample}@{host}>", date)
    return compose(content, addressing, service.renderer)


def _sample(template: str, sample: str) -> tuple[Report | Digest, int]:
    """Return a sample, and its time in milliseconds since 1970."""
    if template == DIGEST:
        digest = storms.load_digest(sample)
        return digest, digest.until
    report = samples.load(sample)
    mail = report.mail.model_copy(update={"template": template})
    return report.model_copy(update={"mail": mail}), report.build.started_at
