"""Whether the pages that a mail links to are there: requested once, of known servers only.

A mail's links come from builds. So nothing is requested but pages below JENKINS_URL and PUBLIC_URL,
by HEAD, without a password or a token, and without a query, which could start something.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import requests

from pyservice.jenkins.adapter import PatientAdapter
from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.links import web_links
from pyservice.mail_checks.parsed import ParsedMail
from pyservice.urls import is_below

__all__ = ["Limits", "check_live"]


@dataclass(frozen=True)
class Limits:
    """How much is requested."""

    links: int = 20
    timeout: float = 3.0
    """Seconds for one answer."""
    total: float = 15.0
    """Seconds after which no further page is requested."""


def check_live(mail: bytes, roots: Sequence[str], limits: Limits = Limits()) -> list[Finding]:
    """Return what is wrong with the pages of a mail's links; a last note says what was requested.

    Args:
        mail: its bytes.
        roots: the addresses below which pages are requested.
        limits: of the requests.
    """
    parsed = ParsedMail(mail)
    links = web_links(parsed)
    allowed = [url for url in links if _is_allowed(url, roots)]
    ends, done, findings = time.monotonic() + limits.total, 0, list[Finding]()
    with requests.Session() as session:
        session.trust_env = False  # no password of ~/.netrc
        for scheme in ("http://", "https://"):
            session.mount(scheme, PatientAdapter())
        for url in allowed[: limits.links]:
            if time.monotonic() > ends:
                break
            done += 1
            if finding := _check(session, url, roots, limits.timeout, parsed):
                findings.append(finding)
    elsewhere = len(links) - len(allowed)
    findings.append(
        Finding(
            "note",
            f"{done} of {len(links)} links were requested"
            + (f"; {elsewhere} lead elsewhere, or have a query" if elsewhere else "")
            + (f"; {len(allowed) - done} are over the limits" if len(allowed) > done else "")
            + ".",
            "Only pages below NOTIFY_EMAIL_JENKINS_URL and NOTIFY_EMAIL_PUBLIC_URL are requested.",
            part="html",
            check="live",
        )
    )
    return findings


def _is_allowed(url: str, roots: Sequence[str]) -> bool:
    return not urlsplit(url).query and any(is_below(url, root) for root in roots)


def _check(
    session: requests.Session, url: str, roots: Sequence[str], timeout: float, mail: ParsedMail
) -> Finding | None:
    link = next(one for one in mail.all("a") if one.get("href") == url)
    excerpt = f'href="{url[:60]}'
    try:
        answer = session.head(url, timeout=timeout, allow_redirects=False)
    except (requests.RequestException, OSError):
        what = f"{url[:100]} does not answer within {timeout:g} s."
        cure = "Is the server running, and is its name in the DNS of this machine?"
    else:
        location = answer.headers.get("Location", "")
        if answer.status_code < 300 or answer.status_code in {401, 403, 405}:
            return None  # there, perhaps behind a login
        if answer.is_redirect and (location.startswith("/") or _is_allowed(location, roots)):
            return None
        if answer.is_redirect:
            what = f"{url[:100]} leads on to another server, {urlsplit(location).hostname}."
            cure = "Link to the page itself. It was not followed."
        else:
            what = f"{url[:100]} answers {answer.status_code}."
            cure = (
                "Has the build been deleted, or is the address mistaken?"
                if answer.status_code < 500
                else "The server is in trouble: see its own log."
            )
    finding = link.finding("warning", what, cure, excerpt)
    return replace(finding, check="live")
