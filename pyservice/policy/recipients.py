"""Decides whom a report may reach: pure functions of the report and the settings."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pyservice.addresses import (
    MAX_LENGTH,
    Mailbox,
    NoMailbox,
    is_within,
    mailbox,
    matches,
    read_mailboxes,
)
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, PolicyError, RequestError
from pyservice.text import one_line, shorten

if TYPE_CHECKING:  # the report's models take a while to import
    from pyservice.report.facts import Person
    from pyservice.report.schema import Report

KINDS = ("to", "cc", "bcc")
"""The fields of `Recipients` that get the mail."""
DENIED = "denied by NOTIFY_EMAIL_DENIED_RECIPIENTS"
"""The reason to leave out a recipient that the administrator doesn't want to get mail."""


NOT_KNOWN = (
    "nobody whom Jenkins knows and lets read the job, and anybody can write any address into a "
    "commit: sign in to Jenkins with it, or list its domain in NOTIFY_EMAIL_ALLOWED_DOMAINS"
)
"""The reason to leave out an address that may be any stranger's."""


@dataclass(frozen=True)
class LeftOut:
    """An address of a report that gets no mail."""

    address: str
    """On one line and not too long; it may be no address at all, but a name or a kind."""
    reason: str
    pointer: str
    """The JSON pointer of the member that names it."""

    @property
    def sentence(self) -> str:
        """Who is left out and why, without a full stop."""
        return f"{self.address} is {self.reason}"


@dataclass(frozen=True)
class Recipients:
    """The people of one mail. Each field has an address at most once."""

    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def from_dict(cls, fields: dict[str, list[dict[str, str]]]) -> Self:
        """Return the people that `dataclasses.asdict` made a dictionary of."""
        people = {
            kind: tuple(Mailbox(**box) for box in boxes)
            for kind, boxes in fields.items()
            if kind != "left_out"
        }
        left_out = (LeftOut(**entry) for entry in fields.get("left_out", ()))
        return cls(**people, left_out=tuple(left_out))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The envelope's recipients, each once."""
        return tuple(dict.fromkeys(box.address for box in (*self.to, *self.cc, *self.bcc)))

    @property
    def without_missing_people(self) -> Self:
        """The same without what is said about kinds of recipients, which are resolved again."""
        named = (one for one in self.left_out if not one.pointer.startswith("/mail/recipients"))
        return replace(self, left_out=tuple(named))

    @property
    def nobody(self) -> str:
        """Why nobody gets a mail, for the history; empty: somebody does."""
        if self.addresses:
            return ""
        return "; ".join(["nobody gets a mail", *(entry.sentence for entry in self.left_out)])

    @property
    def remark(self) -> str:
        """Who gets no mail, and why, for the history; empty: everybody gets it."""
        by_reason: dict[str, list[str]] = {}
        for entry in self.left_out:
            by_reason.setdefault(entry.reason, []).append(entry.address)
        return "; ".join(
            f"not to {', '.join(addresses)}: {reason}" for reason, addresses in by_reason.items()
        )


def resolve_recipients(
    report: "Report", settings: Settings, domains: tuple[str, ...] = ()
) -> Recipients:
    """Return the recipients of a report: those it names, else the service's default.

    Denied recipients, and texts that are no address, are left out: a culprit's address is often one
    that nobody reads, and the others must get the mail anyway. A report that names kinds of
    recipients may have none, if it means nobody by them.

    Args:
        report: the report.
        settings: the service's.
        domains: those to which its token sends; empty: any. People of a kind outside of them are
            left out. `Permissions.check` refuses a report that names others.

    Raises:
        InvalidError: there are too many recipients or none, or no usable one.
        PolicyError: a recipient's domain isn't allowed, or all recipients are denied.
    """
    mail, reader = report.mail, _Reader(settings)
    fields = {kind: reader.read(kind, getattr(mail, kind)) for kind in (*KINDS, "reply_to")}
    if not reader.has_recipients and not mail.recipients:
        fields["to"] = reader.read("to", [settings.default_to or ""])
        if not reader.has_recipients:
            sentence = (
                "no recipient: give `to`, set NOTIFY_EMAIL_TO in Jenkins, "
                "or NOTIFY_EMAIL_DEFAULT_TO in the service's settings"
            )
            raise _invalid([("/mail/to", sentence)])
    named = Recipients(fields["to"], fields["cc"], fields["bcc"])
    if reader.has_recipients and not mail.recipients and not named.addresses:
        raise reader.refusal()
    if len(named.addresses) > settings.max_recipients:
        raise _too_many("/mail/to", settings.max_recipients)
    _check_domains(named, settings.allowed_domains)
    if mail.recipients:
        fields["to"] += reader.read_kinds(report, domains, set(named.addresses))
    return Recipients(**fields, left_out=reader.left_out)


class _Reader:
    """Reads the recipients of one report, and collects what is left out."""

    def __init__(self, settings: Settings) -> None:
        self._most, self._patterns = settings.max_recipients, settings.denied_recipients
        self._allowed = settings.allowed_domains
        self._left_out: dict[tuple[str, str], LeftOut] = {}
        self._denied: list[tuple[str, str]] = []
        self._unusable: list[tuple[str, str]] = []
        self.has_recipients = False
        """Whether the report names any, usable or not."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What is left out, each address once for each reason."""
        return tuple(self._left_out.values())

    def refusal(self) -> RequestError:
        """Return the answer to a report that has no usable recipient."""
        if self._unusable:
            return _invalid(self._unusable + self._denied)
        return PolicyError(
            "No recipient is left: NOTIFY_EMAIL_DENIED_RECIPIENTS in the service's settings denies "
            "all of them. Name another recipient, or ask the administrator.",
            tuple(self._denied),
        )

    def read(self, kind: str, texts: list[str] | None) -> tuple[Mailbox, ...]:
        """Return the usable mailboxes of a field, each address once.

        Raises:
            InvalidError: it has too many.
        """
        usable: dict[str, Mailbox] = {}
        count = 0
        for index, text in enumerate(texts or []):
            pointer = f"/mail/{kind}/{index}"
            for entry in read_mailboxes(text):
                count += 1
                # Duplicates count, too, since parsing them takes time.
                if count > self._most:
                    raise _too_many(f"/mail/{kind}", self._most)
                if isinstance(entry, NoMailbox):
                    self._leave_out(kind, pointer, entry.text, entry)
                elif not self._leave_out(kind, pointer, entry.address):
                    usable.setdefault(entry.address, entry)
        self.has_recipients |= kind in KINDS and count > 0
        return tuple(usable.values())

    def read_kinds(
        self, report: "Report", domains: tuple[str, ...], named: set[str]
    ) -> tuple[Mailbox, ...]:
        """Return the usable mailboxes of the people that a report's kinds mean, each address once.

        Args:
            report: the report.
            domains: those to which its token sends; empty: any.
            named: the addresses that get the mail already.
        """
        from pyservice.policy.people import people, why_nobody  # noqa: PLC0415 - see above

        usable: dict[str, Mailbox] = {}
        nobody: list[LeftOut] = []
        kinds = report.mail.recipients
        for kind in dict.fromkeys(kinds):  # to find the suspects of a large report takes a while
            pointer = f"/mail/recipients/{kinds.index(kind)}"
            found = people(kind, report)
            if not found:
                reason = f"nobody, since {why_nobody(kind, report)}"
                nobody.append(LeftOut(kind, reason, pointer))
            for person in found:
                box = self._read_person(person, pointer, domains)
                if box is None or box.address in named:
                    continue
                if box.address not in usable and len(named) + len(usable) >= self._most:
                    self._add(LeftOut(box.address, f"one of more than {self._most}", pointer))
                    continue
                usable.setdefault(box.address, box)
        # Nobody misses a requestor if a timer started the build, as long as somebody gets the mail.
        for entry in nobody if not usable and not named else ():
            self._add(entry)
        return tuple(usable.values())

    def _read_person(
        self, person: "Person", pointer: str, domains: tuple[str, ...]
    ) -> Mailbox | None:
        """Return a person's mailbox; None: they are left out."""
        name = shorten(one_line(person.name or person.id or person.email), MAX_LENGTH)
        if not person.email.strip():
            self._add(LeftOut(name, "without a mail address", pointer))
            return None
        try:
            address = mailbox(person.email.strip()).address
        except ValueError as error:
            wrong = NoMailbox(person.email, str(error).rstrip("."))
            self._leave_out("to", pointer, person.email, wrong)
            return None
        if self._leave_out("to", pointer, address):
            return None
        if self._allowed and not is_within(address, self._allowed):
            reason = "outside of NOTIFY_EMAIL_ALLOWED_DOMAINS"
        elif domains and not is_within(address, domains):
            reason = f"outside of the domains to which this token sends: {', '.join(domains)}"
        elif not person.may_read and not self._allowed:
            reason = NOT_KNOWN
        else:
            return Mailbox(name if name != address else "", address)
        self._add(LeftOut(address, reason, pointer))
        return None

    def _add(self, entry: LeftOut) -> None:
        self._left_out.setdefault((entry.address, entry.reason), entry)

    def _leave_out(
        self, kind: str, pointer: str, written: str, wrong: NoMailbox | None = None
    ) -> bool:
        """Leave out what is no mailbox, or one that must get no mail; return whether it is so."""
        shown = shorten(one_line(written), MAX_LENGTH)
        address = written.rpartition("<")[2].rstrip(">")
        by = next((pattern for pattern in self._patterns if matches(address, pattern)), None)
        if by and kind in KINDS:
            reason = DENIED
            self._denied.append((f"/mail/{kind}", f"{shown} is denied by {by}"))
        elif wrong:
            reason = f"no mail address: {wrong.reason}"
            self._unusable.append((pointer, wrong.sentence))
        elif address.endswith(("@localhost", ".localhost")):
            reason = "a mailbox of the mail server itself, which nobody reads"
            self._unusable.append((pointer, f"{shown} is {reason}"))
        else:
            return False
        self._add(LeftOut(shown, reason, pointer))
        return True


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


def _invalid(errors: list[tuple[str, str]]) -> InvalidError:
    return InvalidError(f"The recipients are not valid: {errors[0][1]}.", tuple(errors))


def _too_many(pointer: str, most: int) -> InvalidError:
    return _invalid([(pointer, f"at most {most} recipients are allowed: use a mailing list")])
