"""Whether the links lead somewhere, and say where. Nothing is requested."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import Element, ParsedMail
from pyservice.urls import is_web_address

_VAGUE = frozenset(
    {"click here", "here", "link", "this link", "more", "read more", "click", "this", "this page"}
)
_LOCAL = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0")
_URL_IN_TEXT = re.compile(r"https?://[^\s/]+")


def web_links(mail: ParsedMail) -> list[str]:
    """Return the http and https links of the HTML, each once, in their order."""
    urls = (link.get("href") or "" for link in mail.all("a"))
    return list(dict.fromkeys(url for url in urls if is_web_address(url)))


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check the address and the text of each link."""
    for link in mail.all("a"):
        if "href" in link.attrib:
            yield from _check_address(link, link.attrib["href"])
            yield from _check_text(link, link.attrib["href"])


def _check_address(link: Element, url: str) -> Iterator[Finding]:
    shown, excerpt = url[:80], f'href="{url[:60]}'
    scheme = url.partition(":")[0].lower() if ":" in url else ""
    if not url.strip() or url.startswith("#"):
        yield link.finding(
            "warning",
            f"A link leads nowhere ({shown!r})." if url.strip() else "A link has no address.",
            "Give it the address of a page; in a template, `{% if %}` around it where there may "
            "be none.",
            'href="',
        )
    elif scheme in {"mailto", "tel"}:
        return
    elif scheme not in {"http", "https"}:
        yield link.finding(
            "error",
            f"No client follows the link {shown!r}: a mail has no page that it could be on.",
            "Write the whole address, with https://.",
            excerpt,
        )
    elif not is_web_address(url):
        yield link.finding(
            "error",
            f"{shown!r} is no address: it has no host, a space, or a wrong port.",
            "Write https://HOST/PATH, and {{ name | urlencode }} for what a build names.",
            excerpt,
        )
    elif _LOCAL.fullmatch(urlsplit(url).hostname or ""):
        yield link.finding(
            "warning",
            f"The link {shown} leads to the reader's own machine.",
            "Use the name by which readers reach it. For Jenkins' links that is the Jenkins URL "
            "under Manage Jenkins, System.",
            excerpt,
        )


def _check_text(link: Element, url: str) -> Iterator[Finding]:
    text = link.words()
    if not text and not link.get("aria-label"):
        yield link.finding(
            "error",
            "A link has no text, so a screen reader reads its address out, letter by letter.",
            "Write in it where it leads; an image in it needs an `alt`.",
            f'href="{url[:60]}',
        )
    elif text.lower().strip(" .:!»→>") in _VAGUE:
        yield link.finding(
            "warning",
            f"The link's text “{text}” does not say where it leads.",
            "Name the page: “Log of the step”.",
            f">{text}<",
        )
    shown = _URL_IN_TEXT.match(text)
    if shown and is_web_address(url) and urlsplit(shown[0]).hostname != urlsplit(url).hostname:
        yield link.finding(
            "warning",
            f"The link's text names {shown[0]}, and it leads to {urlsplit(url).hostname}: filters "
            "take that for phishing.",
            "Let the text name the page, or the same address.",
            f'href="{url[:60]}',
        )
