"""What a build's description says of its mail: one line, and where it stands. Pure functions."""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote, urlsplit

from pyservice.outbox.models import QueuedReport, Receipt
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX
from pyservice.report.schema import Build
from pyservice.text import one_line, shorten
from pyservice.urls import is_below, job_names

MARK = "Mail by notify-email: "
"""How the line begins: by this it is found again."""
LONGEST = 400
"""Characters of the line."""
MOST_NAMED = 3
"""Recipients that are named with what became of theirs."""

# Ours has no angle brackets, so it ends before a tag that an editor has put behind it.
_OURS = re.compile(rf"(?:^|(?<=>)){re.escape(MARK)}[^\r\n<]*", re.MULTILINE)
_OTHERS = re.compile(rf"(?:\r?\n|(?<=>)){re.escape(MARK)}[^\r\n<]*")
_BRACKETS = str.maketrans("<>", "‹›")


def line(entry: QueuedReport, receipts: Sequence[Receipt]) -> str | None:
    """How a report's mail stands, for everybody who may see the build.

    It has no line break, and no angle bracket: so it is the same text to a markup formatter that
    escapes and to one that reads HTML, where an entity may become a character but never a tag.
    Nobody of Bcc is named, nor quoted what was said of them.

    Args:
        entry: the report.
        receipts: what Postfix' log told last of each recipient.

    Returns:
        The line, at most LONGEST characters; None: there is nothing to tell yet.
    """
    told = _told(entry, receipts)
    if told is None:
        return None
    return shorten(MARK + one_line(told).translate(_BRACKETS), LONGEST)


def renewed(description: str | None, line: str) -> str:
    """A description with our line in its place, or at the end; all else is as people wrote it.

    Args:
        description: as Jenkins has it, in whatever markup; None: there is none.
        line: as `line` made it.
    """
    text = description or ""
    found = _OURS.search(text)
    if found is None:
        return f"{text}\n{line}" if text and not text.endswith("\n") else text + line
    return text[: found.start()] + line + _OTHERS.sub("", text[found.end() :])


def page(build: Build, root: str) -> str | None:
    """The address of a report's build, where the service's own Jenkins token may be used for it.

    A report's author writes `build.url`, and tokens are bound to jobs by `build.job`. So the first
    one must be of this controller and say the very same job and number; what is asked for then is
    made of these.

    Args:
        build: the report's.
        root: the controller's URL, without a slash at its end.

    Returns:
        The build's page, without a slash at its end; None: it isn't that controller's, or another
        build's.
    """
    names = job_names(build.job)
    if not build.url or not is_below(build.url, root) or not names:
        return None
    parts = [*(part for name in names for part in ("job", name)), str(build.number)]
    asked = urlsplit(build.url)
    path = asked.path.removeprefix(urlsplit(root).path).removeprefix("/").removesuffix("/")
    if asked.query or asked.fragment or [unquote(part) for part in path.split("/")] != parts:
        return None
    return "/".join([root, *(quote(part, safe="") for part in parts)])


def _told(entry: QueuedReport, receipts: Sequence[Receipt]) -> str | None:
    if entry.state in ACCEPTED_BY_POSTFIX:
        return _passed(entry, receipts)
    if entry.state == "digested":
        return "in one mail with other builds"
    if entry.state == "skipped":
        return "made, and not sent, since DRY_RUN is set"
    if entry.state == "failed":
        return f"failed{_why(entry)}"
    if entry.state == "queued" and entry.error:
        return f"not sent to all yet, and tried again{_why(entry)}"
    return None


def _passed(entry: QueuedReport, receipts: Sequence[Receipt]) -> str:
    """What is worst comes first: a line is cut at its end."""
    count = 1 if entry.rerouted_to else len(entry.recipients.addresses)
    parts = []
    for state in ("bounced", "deferred"):
        some = [one for one in receipts if one.state == state]
        if some:
            named = [_of(entry, one) for one in some[:MOST_NAMED]]
            more = [f"{len(some) - MOST_NAMED} more"] if len(some) > MOST_NAMED else []
            parts.append(f"{state} for {', '.join(named + more)}")
    relayed = sum(one.state == "relayed" for one in receipts)
    if relayed:
        of = "" if relayed >= count else f" of {count}"
        parts.append(f"relayed to {relayed}{of} recipient{'' if max(relayed, count) == 1 else 's'}")
    elif not parts:
        whom = "" if entry.error else f" for {count} recipient{'' if count == 1 else 's'}"
        parts.append(f"accepted by Postfix{whom}")
    # Whether those that an attempt failed for have the mail by now is known when all have it.
    if entry.error and relayed < count:
        parts.append(f"an attempt failed, perhaps for some only{_why(entry)}")
    if entry.rerouted_to:
        parts.append("rerouted by REROUTE_TO, so its recipients haven't got it")
    if entry.digest_id:
        parts.append("in one mail with other builds")
    return "; ".join(parts)


def _of(entry: QueuedReport, receipt: Receipt) -> str:
    seen = {box.address.lower() for box in (*entry.recipients.to, *entry.recipients.cc)}
    if receipt.recipient.lower() in seen:
        return f"{receipt.recipient}: {receipt.reply}"
    return "a recipient who isn't named here"


def _why(entry: QueuedReport) -> str:
    """The words of Postfix, which name recipients."""
    if entry.recipients.bcc or not entry.error:
        return ""
    # Of an attempt that some were accepted in, the first part is the reply to these.
    first, _, rest = entry.error.partition("; ")
    return f": {rest if rest and first.startswith('250') else entry.error}"
