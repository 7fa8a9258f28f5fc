"""Why one mail is not with its readers, and what to do about it, in the words that Postfix used.

Pure functions of a report of the outbox, its history and its receipts.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pyservice.outbox.models import Event, QueuedReport, Receipt
from pyservice.outbox.refusals import refusals
from pyservice.outbox.states import State
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.reply_rules import BY_POSTFIX, BY_RELAY_HOST, Rule

Severity = Literal["bad", "warn", "info"]
"""bad: a person must act; warn: it may come right by itself; info: all is as it was ordered."""

LATE = 900.0
"""Seconds after which Postfix' log should have said something of a mail."""
_GIVEN_UP = "; given up"
_NOT_RENDERED = "It could not be rendered: "


@dataclass(frozen=True)
class Trouble:
    """One reason why a mail is not with some of its readers."""

    severity: Severity
    what: str
    """What happened, as a sentence."""
    why: str = ""
    """The reason, as a sentence."""
    todo: str = ""
    """What a person can do, as sentences."""
    command: str = ""
    """A shell's command line that cures it or shows more, if there is one."""
    finding: str = ""
    """The ID of the doctor's finding, in docs/doctor.md; empty: there is none."""
    quote: str = ""
    """The words of Postfix, of the relay host or of the template's error."""
    recipients: tuple[str, ...] = ()
    """Whom it concerns; empty: all."""


def troubles(
    entry: QueuedReport, history: Sequence[Event], receipts: Sequence[Receipt], now: float
) -> list[Trouble]:
    """Return why a mail is not with all of its readers, the worst first; none: all is well.

    Args:
        entry: the report.
        history: its steps, the oldest first.
        receipts: the last one of each recipient.
        now: the time, in seconds since the epoch.
    """
    found = [*_of_state(entry, history), *_of_receipts(receipts)]
    if entry.state == State.ACCEPTED and history and now - history[-1].at > LATE and not receipts:
        found.append(
            Trouble(
                "warn",
                "Postfix has the mail, and nothing is known of it since.",
                "Postfix has not reached the relay host, or the service can't read Postfix' log.",
                "See whether the mail is in Postfix' queue. The first page says whether the "
                "service reads the log.",
                KNOWN["unanswered"].cure,
                "unanswered",
            )
        )
    if entry.rerouted_to:
        found.append(
            Trouble(
                "warn",
                f"The mail went to {entry.rerouted_to} in place of its recipients.",
                "NOTIFY_EMAIL_REROUTE_TO is set: that address gets all mail.",
                "If this service should send to the recipients, remove the setting, reload the "
                "service, and send the mail again to them.",
            )
        )
    return sorted(found, key=lambda one: ("bad", "warn", "info").index(one.severity))


def _of_state(entry: QueuedReport, history: Sequence[Event]) -> list[Trouble]:
    match entry.state:
        case State.FAILED:
            return [_failed(entry, history)]
        case State.RECEIVED | State.QUEUED | State.SENDING:
            return _waiting(entry)
        case State.SKIPPED:
            return [_skipped(entry, history)]
        case State.CANCELLED:
            return [_cancelled(history)]
        case State.DIGESTED:
            return [
                Trouble(
                    "info",
                    "The build is in another mail, a digest.",
                    "There were more mails than a rate of NOTIFY_EMAIL_RATE_LIMITS allows.",
                )
            ]
    return _for_some(entry.error or "")


def _for_some(error: str) -> list[Trouble]:
    """Return why some recipients get no mail that Postfix took for others."""
    refused = _by_reply(refusals(error))
    if error and not refused:
        return [_by_rule(BY_POSTFIX, "bad", "Some recipients get no mail.", error)]
    return [
        _by_rule(BY_POSTFIX, "bad", "Postfix refused {whom}.", reply, recipients)
        for reply, recipients in refused.items()
    ]


def _failed(entry: QueuedReport, history: Sequence[Event]) -> Trouble:
    error = entry.error or ""
    if error.startswith(_NOT_RENDERED):
        return Trouble(
            "bad",
            "No mail could be made of this report.",
            "The template failed, and the built-in one, too.",
            "Mend the template, look at this report with it under Previews, then retry.",
            quote=error.removeprefix(_NOT_RENDERED),
        )
    note = history[-1].note if history else ""
    if note.endswith(_GIVEN_UP):
        if entry.unconfirmed_attempts:
            return Trouble(
                "bad",
                f"The service gave up after {entry.attempts} attempts.",
                "Each time the connection was lost after the whole mail was sent. Postfix may have "
                "it all the same, several times.",
                "Look for the Message-ID in Postfix' log before you retry.",
                "journalctl -u 'postfix*' | grep MESSAGE-ID",
                quote=error,
            )
        return _by_rule(
            BY_POSTFIX, "bad", f"The service gave up after {entry.attempts} attempts.", error
        )
    return _by_rule(BY_POSTFIX, "bad", "Postfix refused the mail: nobody gets it.", error)


def _waiting(entry: QueuedReport) -> list[Trouble]:
    if entry.digest_group is not None and entry.digest_id is None:
        return [
            Trouble(
                "info",
                "The build waits for others, to share one mail with them.",
                "There were more mails than a rate of NOTIFY_EMAIL_RATE_LIMITS allows.",
                "Nothing: the mail goes out at the time of the next attempt. Retry gives the build "
                "a mail of its own at once.",
            )
        ]
    if not entry.error:
        return []
    if entry.state == State.RECEIVED:
        return [
            Trouble(
                "warn",
                "Nobody is known yet who gets the mail.",
                "The report names its recipients by what they have to do with the build, and the "
                "service could not read the build in Jenkins.",
                "See whether Jenkins answers at NOTIFY_EMAIL_JENKINS_URL. The service tries again "
                "for an hour.",
                quote=entry.error,
            )
        ]
    refused = refusals(entry.error)
    waiting = tuple(to for to in entry.pending_recipients if to not in refused)
    found = _for_some(entry.error) if refused else []
    if waiting:
        whom = " for {whom}" if len(waiting) < len(entry.recipients.addresses) else ""
        what = f"Postfix does not have the mail{whom} yet."
        found.append(_by_rule(BY_POSTFIX, "warn", what, entry.error, waiting if whom else ()))
    return found


def _skipped(entry: QueuedReport, history: Sequence[Event]) -> Trouble:
    if not entry.has_nobody:
        is_by_author = entry.report.mail.dry_run
        return Trouble(
            "info",
            "The mail was made, and not sent.",
            "Its Pipeline wants a dry run: `dryRun` of the step is true."
            if is_by_author
            else "NOTIFY_EMAIL_DRY_RUN is set.",
            "To send this mail all the same, send it again to its reader."
            if is_by_author
            else "To send this mail, remove the setting, reload the service, and retry.",
        )
    note = history[-1].note if history else ""
    return Trouble(
        "warn",
        "Nobody gets a mail about this build.",
        "Its recipients mean nobody, or may not get it.",
        "Correct `recipients` or `to` of the step in the Jenkinsfile, or the service's settings "
        "that are named here.",
        quote=entry.error or note or entry.recipients.nobody,
    )


def _cancelled(history: Sequence[Event]) -> Trouble:
    by = history[-1].note.removeprefix("says ") if history else ""
    return Trouble(
        "info",
        "A person cancelled the mail.",
        f"It was cancelled through {by}." if by else "",
        "To send it all the same, send it again to its reader.",
    )


def _of_receipts(receipts: Iterable[Receipt]) -> Iterable[Trouble]:
    kinds: dict[str, tuple[Severity, str]] = {
        "bounced": ("bad", "{whom} gets no mail: it came back."),
        "deferred": ("warn", "{whom} has no mail yet: Postfix tries again."),
    }
    by_state: dict[str, dict[str, str]] = {}
    for one in receipts:
        by_state.setdefault(one.state, {})[one.recipient] = one.reply
    for state, (severity, what) in kinds.items():
        for reply, recipients in _by_reply(by_state.get(state, {})).items():
            yield _by_rule(BY_RELAY_HOST, severity, what, reply, recipients)


def _by_reply(replies: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the recipients by the reply, without what names the recipient in it."""
    by_reply: dict[str, tuple[str, ...]] = {}
    first: dict[str, str] = {}
    for recipient, reply in replies.items():
        alike = first.setdefault(reply.replace(recipient, "…"), reply)
        by_reply[alike] = (*by_reply.get(alike, ()), recipient)
    return by_reply


def _by_rule(
    rules: Sequence[Rule],
    severity: Severity,
    what: str,
    reply: str,
    recipients: tuple[str, ...] = (),
) -> Trouble:
    rule = next(one for one in rules if re.search(one.words, reply, re.IGNORECASE))
    whom = recipients[0] if len(recipients) == 1 else f"{len(recipients)} recipients"
    command = rule.command or (KNOWN[rule.finding].cure if rule.finding else "")
    return Trouble(
        severity,
        what.format(whom=whom),
        rule.why,
        rule.todo,
        "" if "{" in command else command,
        rule.finding,
        reply,
        recipients,
    )
