"""The line about a report's mail in a build's description, and its place there. Pure functions."""

import re
from collections.abc import Sequence

from pyservice.outbox.models import QueuedReport, Receipt
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX, State
from pyservice.text import counted, one_line, shorten

MARK = "Mail by notify-email: "
"""The beginning of the line, by which it is recognized."""
MAX_LENGTH = 400
"""Characters of the line."""
MAX_NAMED = 3
"""Recipients that are named with their delivery status."""

# Ours has no angle brackets, so it ends before a tag that an editor has put behind it.
_OURS = re.compile(rf"(?:^|(?<=>)){re.escape(MARK)}[^\r\n<]*", re.MULTILINE)
_OTHERS = re.compile(rf"(?:\r?\n|(?<=>)){re.escape(MARK)}[^\r\n<]*")
_BRACKETS = str.maketrans("<>", "‹›")


def line(report: QueuedReport, receipts: Sequence[Receipt]) -> str | None:
    """Return how a report's mail stands, for everybody who may see the build.

    The line has no line break and no angle bracket, so that Jenkins shows the same text whether its
    markup formatter escapes or reads HTML: an entity may become a character, but never a tag.
    Recipients in Bcc are not named, and no reply about them is quoted.

    Args:
        report: the report.
        receipts: the last receipt for each recipient.

    Returns:
        The line, at most MAX_LENGTH characters; None: there is nothing to show yet.
    """
    status = _status(report, receipts)
    if status is None:
        return None
    return shorten(MARK + one_line(status).translate(_BRACKETS), MAX_LENGTH)


def renewed(description: str | None, line: str) -> str:
    """Return a description with our line in its place, or at the end; all else stays as it is.

    Args:
        description: as Jenkins has it, in whatever markup; None: there is none.
        line: as `line` made it.
    """
    text = description or ""
    ours = _OURS.search(text)
    if ours is None:
        return f"{text}\n{line}" if text and not text.endswith("\n") else text + line
    return text[: ours.start()] + line + _OTHERS.sub("", text[ours.end() :])


def _status(report: QueuedReport, receipts: Sequence[Receipt]) -> str | None:
    if report.state in ACCEPTED_BY_POSTFIX:
        return _status_at_postfix(report, receipts)
    if report.state == State.DIGESTED:
        return "in one mail with other builds"
    if report.state == State.SKIPPED:
        return _status_when_skipped(report)
    if report.state == State.FAILED:
        return f"failed{_why(report)}"
    if report.state == State.QUEUED and report.error:
        return f"not sent to all yet, and tried again{_why(report)}"
    return None


def _status_when_skipped(report: QueuedReport) -> str:
    if report.report.mail.dry_run and not report.has_nobody:
        return "made, and not sent, since the Pipeline wants a dry run"
    if not report.has_nobody:
        return "made, and not sent, since NOTIFY_EMAIL_DRY_RUN is set"
    # The reason names each recipient who is left out.
    if report.error and not report.report.mail.bcc:
        return f"not sent: {report.error}"
    return "not sent, since its recipients mean nobody in this build"


def _status_at_postfix(report: QueuedReport, receipts: Sequence[Receipt]) -> str:
    """Return the status of a mail that Postfix has, the worst first: a line is cut at its end."""
    count = 1 if report.rerouted_to else len(report.recipients.addresses)
    parts = []
    for state in (State.BOUNCED, State.DEFERRED):
        those = [receipt for receipt in receipts if receipt.state == state]
        if those:
            named = [_recipient(report, receipt) for receipt in those[:MAX_NAMED]]
            more = [f"{len(those) - MAX_NAMED} more"] if len(those) > MAX_NAMED else []
            parts.append(f"{state} for {', '.join(named + more)}")
    relayed = sum(receipt.state == State.RELAYED for receipt in receipts)
    if relayed:
        total = "" if relayed >= count else f" of {count}"
        parts.append(
            f"relayed to {relayed}{total} recipient{'' if max(relayed, count) == 1 else 's'}"
        )
    elif not parts:
        recipients = "" if report.error else f" for {counted(count, 'recipient')}"
        parts.append(f"accepted by Postfix{recipients}")
    # The recipients of a failed attempt surely have the mail only when all recipients have it.
    if report.error and relayed < count:
        parts.append(f"an attempt failed, perhaps for some only{_why(report)}")
    if report.rerouted_to:
        parts.append("rerouted by NOTIFY_EMAIL_REROUTE_TO, so its recipients haven't got it")
    if report.digest_id:
        parts.append("in one mail with other builds")
    return "; ".join(parts)


def _recipient(report: QueuedReport, receipt: Receipt) -> str:
    """Return a recipient with the reply, or without a name for Bcc."""
    visible = {box.address.lower() for box in (*report.recipients.to, *report.recipients.cc)}
    if receipt.recipient.lower() in visible:
        return f"{receipt.recipient}: {receipt.reply}"
    return "a recipient who isn't named here"


def _why(report: QueuedReport) -> str:
    """Return Postfix' replies, which name recipients, unless there are recipients in Bcc."""
    if report.recipients.bcc or not report.error:
        return ""
    # If an attempt was accepted for some, the first part is the reply to these.
    first, _, rest = report.error.partition("; ")
    return f": {rest if rest and first.startswith('250') else report.error}"
