"""Whom a report may reach: pure functions of the report and the settings."""

from dataclasses import dataclass

from pyservice.addresses import Mailbox, is_within, mailboxes
from pyservice.errors import InvalidError, PolicyError
from pyservice.report import Mail
from pyservice.settings import Settings

MAX_RECIPIENTS = 100
_TOO_MANY = f"at most {MAX_RECIPIENTS} recipients: use a mailing list"


@dataclass(frozen=True)
class Envelope:
    """The people of one mail, no address twice within a kind."""

    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses that Postfix is given, each once."""
        return tuple(dict.fromkeys(box.address for box in (*self.to, *self.cc, *self.bcc)))


def envelope(mail: Mail, settings: Settings) -> Envelope:
    """The people that a report goes to: those it names, else the service's default.

    Raises:
        InvalidError: an address is none, there are too many, or there is no recipient at all.
        PolicyError: a recipient's domain isn't among the allowed ones.
    """
    errors: list[tuple[str, str]] = []
    people = Envelope(
        to=_mailboxes("to", mail.to, errors),
        cc=_mailboxes("cc", mail.cc, errors),
        bcc=_mailboxes("bcc", mail.bcc, errors),
        reply_to=_mailboxes("reply_to", mail.reply_to, errors),
    )
    if not people.recipients and not errors and settings.default_to:
        people = Envelope(
            to=_mailboxes("to", [settings.default_to], errors), reply_to=people.reply_to
        )
    if not people.recipients and not errors:
        sentence = (
            "no recipient: give `to`, set NOTIFY_EMAIL_TO in Jenkins, "
            "or DEFAULT_TO in the service's settings"
        )
        errors.append(("/mail/to", sentence))
    if len(people.recipients) > MAX_RECIPIENTS:
        errors.append(("/mail/to", _TOO_MANY))
    if errors:
        raise InvalidError(f"The recipients are not valid: {errors[0][1]}.", tuple(errors))
    _check_domains(people, settings.allowed_domains)
    return people


def _check_domains(people: Envelope, domains: tuple[str, ...]) -> None:
    """Names the members, since an address may stand in several of them."""
    forbidden = [
        (f"/mail/{kind}", f"{box.address} is outside of them")
        for kind in ("to", "cc", "bcc")
        for box in getattr(people, kind)
        if domains and not is_within(box.address, domains)
    ]
    if forbidden:
        raise PolicyError(
            f"The service sends to these domains only: {', '.join(domains)}.", tuple(forbidden)
        )


def _mailboxes(
    kind: str, texts: list[str] | None, errors: list[tuple[str, str]]
) -> tuple[Mailbox, ...]:
    found: dict[str, Mailbox] = {}
    written = 0
    for index, text in enumerate(texts or []):
        pointer = f"/mail/{kind}/{index}"
        try:
            for box in mailboxes(text):
                written += 1
                # Doubles count, too: what costs time is to read them.
                if written > MAX_RECIPIENTS:
                    errors.append((f"/mail/{kind}", _TOO_MANY))
                    return ()
                if box.address.endswith(("@localhost", ".localhost")):
                    sentence = f"{box.address} is the mail server's own, unread mailbox"
                    errors.append((pointer, sentence))
                found.setdefault(box.address, box)
        except ValueError as error:
            errors.append((pointer, str(error)))
    return tuple(found.values())
