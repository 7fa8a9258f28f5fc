"""From whom a mail comes, and what a stranger's Pipeline may not choose: pure functions."""

from typing import TYPE_CHECKING

from pyservice.addresses import Mailbox, mailbox, mailboxes
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError

if TYPE_CHECKING:  # the report's models take a while to import
    from pyservice.report.schema import Mail, Report

FORK = "the build is of a change request from a fork, whose author may be anybody"


def resolve_sender(mail: "Mail", settings: Settings) -> Mailbox:
    """Return the mail's From: the one that the report names, else the service's sender.

    Raises:
        InvalidError: it is no address, or none of FROM_ADDRESSES.
    """
    wanted = (mail.sender or "").strip()
    if not wanted:
        return settings.sender_mailbox
    try:
        box = mailbox(wanted)
    except ValueError as error:
        raise _refusal(f"{wanted!a} is no mail address: {str(error).rstrip('.')}") from None
    for allowed in mailboxes(settings.from_addresses or ""):
        if allowed.address.lower() == box.address.lower():
            return Mailbox(box.name or allowed.name, allowed.address)
    raise _refusal(
        f"{box.address} is none of NOTIFY_EMAIL_FROM_ADDRESSES in the service's settings"
    )


def sender_now(mail: "Mail", settings: Settings) -> Mailbox:
    """Return the mail's From; the service's sender if FROM_ADDRESSES has lost it meanwhile."""
    try:
        return resolve_sender(mail, settings)
    except InvalidError:
        return settings.sender_mailbox


def without_strangers_wishes(report: "Report") -> "Report":
    """Return a report without a stranger's From, words and files.

    Whoever opens a change request may change its Jenkinsfile, and would write to a team in the
    team's name.
    """
    branch = report.build.branch
    request = branch.change_request if branch else None
    if request is None or not request.from_fork:
        return report
    report = report.without_wishes(("sender", "body", "attach", "attach_log"), FORK)
    if not report.attachments and not report.not_attached:
        return report
    return report.model_copy(update={"attachments": [], "not_attached": []})


def _refusal(sentence: str) -> InvalidError:
    return InvalidError(f"The sender can't be used: {sentence}.", (("/mail/from", sentence),))
