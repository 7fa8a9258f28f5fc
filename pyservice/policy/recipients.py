"""Whom a report may reach: pure functions of the report and the settings."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyservice.addresses import Mailbox, is_meant, is_within, mailboxes
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, PolicyError

if TYPE_CHECKING:  # the report's models take a while to import
    from pyservice.report.schema import Mail

KINDS = ("to", "cc", "bcc")
"""Of those who get the mail, in an `Recipients`."""


@dataclass(frozen=True)
class Recipients:
    """The people of one mail, no address twice within a kind."""

    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    left_out: tuple[Mailbox, ...] = ()
    """Whom the report names and DENIED_RECIPIENTS denies: they get no mail."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that Postfix is given, each once."""
        return tuple(dict.fromkeys(box.address for box in (*self.to, *self.cc, *self.bcc)))

    @property
    def remark(self) -> str:
        """Who gets no mail, and why; empty: everybody gets it."""
        names = ", ".join(box.address for box in self.left_out)
        return names and f"not to {names}: denied by DENIED_RECIPIENTS"


def resolve_recipients(mail: "Mail", settings: Settings) -> Recipients:
    """The people that a report goes to: those it names, else the service's default.

    Who is denied is left out: a build's culprit is often an address that nobody reads, and the
    others must hear of it all the same.

    Raises:
        InvalidError: an address is none, there are too many, or there is no recipient at all.
        PolicyError: a recipient's domain isn't among the allowed ones, or all are denied.
    """
    errors: list[tuple[str, str]] = []
    most = settings.max_recipients
    people = Recipients(
        to=_mailboxes("to", mail.to, most, errors),
        cc=_mailboxes("cc", mail.cc, most, errors),
        bcc=_mailboxes("bcc", mail.bcc, most, errors),
        reply_to=_mailboxes("reply_to", mail.reply_to, most, errors),
    )
    if not people.addresses and not errors and settings.default_to:
        people = Recipients(
            to=_mailboxes("to", [settings.default_to], most, errors), reply_to=people.reply_to
        )
    if not people.addresses and not errors:
        sentence = (
            "no recipient: give `to`, set NOTIFY_EMAIL_TO in Jenkins, "
            "or DEFAULT_TO in the service's settings"
        )
        errors.append(("/mail/to", sentence))
    if len(people.addresses) > most:
        errors.append(("/mail/to", _too_many(most)))
    if errors:
        raise InvalidError(f"The recipients are not valid: {errors[0][1]}.", tuple(errors))
    people = _without_denied(people, settings.denied_recipients)
    _check_domains(people, settings.allowed_domains)
    return people


def _without_denied(people: Recipients, patterns: tuple[str, ...]) -> Recipients:
    denied: dict[str, Mailbox] = {}
    errors: list[tuple[str, str]] = []
    kept: dict[str, tuple[Mailbox, ...]] = {}
    for kind in KINDS:
        boxes: list[Mailbox] = []
        for box in getattr(people, kind):
            by = next((one for one in patterns if is_meant(box.address, one)), None)
            if by is None:
                boxes.append(box)
            else:
                denied.setdefault(box.address, box)
                errors.append((f"/mail/{kind}", f"{box.address} is denied by {by}"))
        kept[kind] = tuple(boxes)
    if not any(kept.values()):
        raise PolicyError(
            "There is nobody to send to: DENIED_RECIPIENTS in the service's settings denies "
            "each recipient.",
            tuple(errors),
        )
    return replace(people, **kept, left_out=tuple(denied.values()))


def _check_domains(people: Recipients, domains: tuple[str, ...]) -> None:
    """Names the members, since an address may stand in several of them."""
    forbidden = [
        (f"/mail/{kind}", f"{box.address} is outside of them")
        for kind in KINDS
        for box in getattr(people, kind)
        if domains and not is_within(box.address, domains)
    ]
    if forbidden:
        raise PolicyError(
            f"The service sends to these domains only: {', '.join(domains)}.", tuple(forbidden)
        )


def _too_many(most: int) -> str:
    return f"at most {most} recipients: use a mailing list"


def _mailboxes(
    kind: str, texts: list[str] | None, most: int, errors: list[tuple[str, str]]
) -> tuple[Mailbox, ...]:
    found: dict[str, Mailbox] = {}
    written = 0
    for index, text in enumerate(texts or []):
        pointer = f"/mail/{kind}/{index}"
        try:
            for box in mailboxes(text):
                written += 1
                # Doubles count, too: what costs time is to read them.
                if written > most:
                    errors.append((f"/mail/{kind}", _too_many(most)))
                    return ()
                if box.address.endswith(("@localhost", ".localhost")):
                    sentence = f"{box.address} is the mail server's own, unread mailbox"
                    errors.append((pointer, sentence))
                found.setdefault(box.address, box)
        except ValueError as error:
            errors.append((pointer, str(error)))
    return tuple(found.values())
