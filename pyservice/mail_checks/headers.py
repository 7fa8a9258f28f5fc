"""Whether the headers are those of a mail that servers take and readers can sort."""

import re
from collections.abc import Iterator
from email.utils import getaddresses, parsedate_to_datetime

from pyservice.mail_checks.finding import Finding, Level
from pyservice.mail_checks.parsed import ParsedMail

MAX_LINE = 998
"""Octets, without the line's end (RFC 5322, 2.1.1)."""
LONG_SUBJECT = 120
"""Characters, of which even a wide list of mails shows no more."""
_MESSAGE_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")
_LIST_ID = re.compile(r"(?:.*\s)?<[^<>\s@.]+(?:\.[^<>\s@.]+)+>", re.DOTALL)
_OWN = "This is the service's part: please report it."


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check each header that is due, and the length of all lines."""
    yield from _check_required(mail)
    yield from _check_subject(mail)
    yield from _check_list(mail)
    if (mail.header("Auto-Submitted") or "no").startswith("no"):
        yield _finding(
            "warning",
            "There is no Auto-Submitted: absence notes may answer the mail (RFC 3834).",
            _OWN,
        )
    for number, line in enumerate(mail.source.split(b"\r\n"), 1):
        if len(line) > MAX_LINE:
            yield Finding(
                "error",
                f"A line of the mail has {len(line)} octets; SMTP allows {MAX_LINE}.",
                _OWN,
                part="mail",
                line=number,
                excerpt=line[:40].decode("latin-1"),
            )


def _check_required(mail: ParsedMail) -> Iterator[Finding]:
    for name in ("From", "Date", "Message-ID", "MIME-Version"):
        if not mail.header(name):
            yield _finding("error", f"There is no {name}, so filters take it for spam.", _OWN)
    if (sender := mail.header("From")) and "@" not in getaddresses([sender])[0][1]:
        yield _finding("error", f"From has no address: {sender[:60]}.", _OWN)
    if (identity := mail.header("Message-ID")) and not _MESSAGE_ID.fullmatch(identity.strip()):
        yield _finding("error", f"The Message-ID {identity[:60]} is not one.", _OWN)
    if date := mail.header("Date"):
        try:
            parsedate_to_datetime(date)
        except ValueError:
            yield _finding("error", f"The Date {date[:60]!r} is not one.", _OWN)


def _check_subject(mail: ParsedMail) -> Iterator[Finding]:
    subject = (mail.header("Subject") or "").strip()
    if not subject or subject == "?":
        yield _finding(
            "error", "The mail has no subject.", "Write one line into the template's subject.txt."
        )
    elif len(subject) > LONG_SUBJECT:
        yield _finding(
            "note",
            f"The subject has {len(subject)} characters; a list of mails shows the first 40 to "
            f"{LONG_SUBJECT}.",
            "Put first what differs: {{ headline.word }}: {{ build.job | shorten(60) }}.",
        )


def _check_list(mail: ParsedMail) -> Iterator[Finding]:
    list_id = mail.header("List-Id")
    if list_id is None and mail.header("X-Jenkins-Job"):
        yield _finding(
            "warning", "There is no List-Id, by which readers' filters know a job's mails.", _OWN
        )
    if list_id is not None and not _LIST_ID.fullmatch(list_id.strip()):
        yield _finding("warning", f"The List-Id {list_id[:60]} is not one (RFC 2919).", _OWN)
    unsubscribe = mail.header("List-Unsubscribe")
    if unsubscribe is None:
        if mail.header("Precedence") in {"bulk", "list"}:
            yield _finding(
                "warning",
                "A mail to a list has no List-Unsubscribe, which Gmail and Yahoo demand of lists.",
                _OWN,
            )
        return
    urls = re.findall(r"<([^<>]+)>", unsubscribe)
    if not urls or not all(url.startswith(("https:", "http:", "mailto:")) for url in urls):
        yield _finding(
            "warning", f"List-Unsubscribe has no address: {unsubscribe[:60]} (RFC 2369).", _OWN
        )
    elif any(url.startswith("https:") for url in urls) and not mail.header("List-Unsubscribe-Post"):
        yield _finding(
            "warning",
            "List-Unsubscribe has a page and no List-Unsubscribe-Post, so clients show no button "
            "for it (RFC 8058).",
            _OWN,
        )


def _finding(level: Level, what: str, cure: str) -> Finding:
    return Finding(level, what, cure, part="headers")
