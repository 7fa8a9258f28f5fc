"""Decides whom a report may reach: pure functions of the report and the settings."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyservice.addresses import Mailbox, is_within, mailboxes, matches
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, PolicyError

if TYPE_CHECKING:  # the report's models take a while to import
    from pyservice.report.schema import Mail

KINDS = ("to", "cc", "bcc")
"""The fields of `Recipients` that get the mail."""


@dataclass(frozen=True)
class Recipients:
    """The people of one mail. Each field has an address at most once."""

    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    left_out: tuple[Mailbox, ...] = ()
    """Named by the report and denied by DENIED_RECIPIENTS: they get no mail."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The envelope's recipients, each once."""
        return tuple(dict.fromkeys(box.address for box in (*self.to, *self.cc, *self.bcc)))

    @property
    def remark(self) -> str:
        """Who gets no mail, and why, for the history; empty: everybody gets it."""
        names = ", ".join(box.address for box in self.left_out)
        return names and f"not to {names}: denied by DENIED_RECIPIENTS"


def resolve_recipients(mail: "Mail", settings: Settings) -> Recipients:
    """Return the recipients of a report: those it names, else the service's default.

    Denied recipients are left out: a culprit's address is often one that nobody reads, and the
    others must get the mail anyway.

    Raises:
        InvalidError: an address isn't valid, or there are too many recipients or none.
        PolicyError: a recipient's domain isn't allowed, or all recipients are denied.
    """
    errors: list[tuple[str, str]] = []
    most = settings.max_recipients
    recipients = Recipients(
        to=_mailboxes("to", mail.to, most, errors),
        cc=_mailboxes("cc", mail.cc, most, errors),
        bcc=_mailboxes("bcc", mail.bcc, most, errors),
        reply_to=_mailboxes("reply_to", mail.reply_to, most, errors),
    )
    if not recipients.addresses and not errors and settings.default_to:
        recipients = Recipients(
            to=_mailboxes("to", [settings.default_to], most, errors), reply_to=recipients.reply_to
        )
    if not recipients.addresses and not errors:
        sentence = (
            "no recipient: give `to`, set NOTIFY_EMAIL_TO in Jenkins, "
            "or DEFAULT_TO in the service's settings"
        )
        errors.append(("/mail/to", sentence))
    if len(recipients.addresses) > most:
        errors.append(("/mail/to", _too_many(most)))
    if errors:
        raise InvalidError(f"The recipients are not valid: {errors[0][1]}.", tuple(errors))
    recipients = _without_denied(recipients, settings.denied_recipients)
    _check_domains(recipients, settings.allowed_domains)
    return recipients


def _without_denied(recipients: Recipients, patterns: tuple[str, ...]) -> Recipients:
    denied: dict[str, Mailbox] = {}
    errors: list[tuple[str, str]] = []
    kept: dict[str, tuple[Mailbox, ...]] = {}
    for kind in KINDS:
        boxes: list[Mailbox] = []
        for box in getattr(recipients, kind):
            by = next((pattern for pattern in patterns if matches(box.address, pattern)), None)
            if by is None:
                boxes.append(box)
            else:
                denied.setdefault(box.address, box)
                errors.append((f"/mail/{kind}", f"{box.address} is denied by {by}"))
        kept[kind] = tuple(boxes)
    if not any(kept.values()):
        raise PolicyError(
            "No recipient is left: DENIED_RECIPIENTS in the service's settings denies all of them. "
            "Name another recipient, or ask the administrator.",
            tuple(errors),
        )
    return replace(recipients, **kept, left_out=tuple(denied.values()))


def _check_domains(recipients: Recipients, domains: tuple[str, ...]) -> None:
    """Refuse recipients outside of the allowed domains, by the members that name them."""
    forbidden = [
        (f"/mail/{kind}", f"{box.address} is outside of them")
        for kind in KINDS
        for box in getattr(recipients, kind)
        if domains and not is_within(box.address, domains)
    ]
    if forbidden:
        raise PolicyError(
            f"The service sends to these domains only: {', '.join(domains)}.", tuple(forbidden)
        )


def _too_many(most: int) -> str:
    return f"at most {most} recipients are allowed: use a mailing list"


def _mailboxes(
    kind: str, texts: list[str] | None, most: int, errors: list[tuple[str, str]]
) -> tuple[Mailbox, ...]:
    unique: dict[str, Mailbox] = {}
    count = 0
    for index, text in enumerate(texts or []):
        pointer = f"/mail/{kind}/{index}"
        try:
            for box in mailboxes(text):
                count += 1
                # Duplicates count, too, since parsing them takes time.
                if count > most:
                    errors.append((f"/mail/{kind}", _too_many(most)))
                    return ()
                if box.address.endswith(("@localhost", ".localhost")):
                    sentence = (
                        f"{box.address} is a mailbox of the mail server itself, which nobody reads"
                    )
                    errors.append((pointer, sentence))
                unique.setdefault(box.address, box)
        except ValueError as error:
            errors.append((pointer, str(error)))
    return tuple(unique.values())
