"""What an attempt's outcome means for a report: accepted, sent again, or failed. Pure functions."""

from dataclasses import dataclass

from pyservice.delivery.retry import RetryPolicy
from pyservice.dialogue import DialogueLine
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.refusals import error_after
from pyservice.outbox.states import State
from pyservice.smtp import Outcome


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What the outbox commits about a report: the arguments of `Outbox.finish_attempt`."""

    state: State
    note: str
    """For the history."""
    error: str | None = None
    """What went wrong and is not mended, and for whom; None: nothing."""
    pending_recipients: tuple[str, ...] = ()
    """Recipients of the next attempt."""
    next_attempt_at: float | None = None
    """The time of the next attempt; None: there is none."""
    accepted_by_postfix: bool = False
    """Whether Postfix accepted the mail for a recipient."""
    unconfirmed: bool = False
    """Whether the attempt is unconfirmed: Postfix may have the mail."""
    queue_id: str | None = None
    mail: bytes | None = None
    """The mail's bytes, if there was no attempt that stored them."""
    dialogue: tuple[DialogueLine, ...] = ()
    """What was said in the attempt."""


def settle_attempt(
    report: QueuedReport, outcome: Outcome, policy: RetryPolicy, *, now: float, fraction: float
) -> Settlement:
    """Decide what follows from an attempt. Only the deferred recipients are tried again.

    Args:
        report: as it was claimed for the attempt.
        outcome: the attempt's.
        policy: how often a mail is tried.
        now: the time.
        fraction: a random number from 0 to 1.
    """
    is_accepted = report.accepted_by_postfix or bool(outcome.accepted)
    state = State.ACCEPTED if is_accepted else State.FAILED
    tried = {*outcome.accepted, *outcome.deferred, *outcome.refused}
    note = describe(outcome, is_for_all=tried == set(report.recipients.addresses))
    is_incomplete = outcome.deferred or outcome.refused
    error = error_after(report.error, tried, note if is_incomplete else "")
    due = None
    if outcome.deferred:
        delay = policy.delay(
            outcome.deferred.values(),
            attempts=report.attempts + 1,
            age=now - report.created_at,
            unconfirmed=report.unconfirmed_attempts + outcome.is_unconfirmed,
            fraction=fraction,
        )
        if delay is None:
            note = f"{note}; given up"
        else:
            state, due = State.QUEUED, now + delay
            note = f"{note}; next attempt in {delay:.0f} s"
    return Settlement(
        state=state,
        note=note,
        error=error,
        pending_recipients=() if due is None else tuple(outcome.deferred),
        next_attempt_at=due,
        accepted_by_postfix=bool(outcome.accepted),
        unconfirmed=outcome.is_unconfirmed,
        queue_id=outcome.queue_id,
        dialogue=outcome.dialogue,
    )


def describe(outcome: Outcome, *, is_for_all: bool) -> str:
    """Return the decisive reply, and the recipients to whom another one was given.

    Args:
        outcome: an attempt's.
        is_for_all: whether the attempt was for all recipients of the report. Else those that are
            refused are named: the replies to several attempts are kept.
    """
    is_mixed = bool(outcome.accepted or (outcome.refused and outcome.deferred))
    named = [
        (f"{verb} {recipient}: {reply}", reply)
        for verb, replies, is_named in (
            ("refused", outcome.refused, is_mixed or not is_for_all),
            ("deferred", outcome.deferred, is_mixed),
        )
        for recipient, reply in replies.items()
        if is_named or reply != outcome.reply
    ]
    parts = [text for text, _ in named]
    if outcome.reply not in {reply for _, reply in named}:
        parts.insert(0, outcome.reply)
    if outcome.is_unconfirmed:
        parts.append("Postfix may have it all the same, so it may be doubled")
    return "; ".join(parts)
