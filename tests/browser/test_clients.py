"""The mails in clients that lack a part of HTML or CSS."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from pyservice import samples
from pyservice.mail.renderer import Renderer
from pyservice.mail_checks.as_shown import as_shown
from pyservice.mail_checks.clients import (
    OUTLOOK,
    Support,
    fallbacks,
    features,
    lacks,
    not_rated,
    support,
)
from pyservice.mail_checks.parsed import ParsedMail
from pyservice.samples import storms
from tests.browser.conftest import Looks
from tests.builders.mails import mail_of

FALLBACKS, NOT_RATED = fallbacks(), not_rated()
PAGE = Path(__file__).parents[2] / "docs" / "mail-clients.md"
RENDERER = Renderer()
MAILS = {name: RENDERER.render(samples.load(name)).html for name in samples.names()} | {
    name: RENDERER.render_safely(storms.load_digest(name)).html for name in storms.names()
}


@pytest.fixture(scope="module")
def clients() -> Support:
    """What each client supports."""
    return support()


def used(html: str) -> list[str]:
    """Return the features that a mail's HTML uses, once an element."""
    return [feature for feature, *_ in features(ParsedMail(mail_of(html)))]


def without_fallback(html: str, clients: Support) -> list[str]:
    """Return the features that some client lacks and the list doesn't have, once an element."""
    return [
        feature
        for feature in used(html)
        if feature not in FALLBACKS.keys() | NOT_RATED
        and (feature not in clients or lacks(feature, clients))
    ]


@pytest.mark.parametrize("mail", MAILS)
def test_what_a_client_lacks_has_a_fallback(clients: Support, mail: str) -> None:
    """Each feature that a major client lacks is in the list, or every client has it."""
    assert without_fallback(MAILS[mail], clients) == []


def test_the_list_is_as_long_as_needed(clients: Support) -> None:
    """The list has only what our mails use and some client lacks."""
    all_used = {feature for html in MAILS.values() for feature in used(html)}
    needless = {name for name in FALLBACKS if name not in all_used or not lacks(name, clients)}
    assert needless == set()
    assert NOT_RATED - all_used == set()


def test_the_documentation_has_the_list() -> None:
    """docs/mail-clients.md has each feature with its fallback."""
    page = PAGE.read_text(encoding="utf-8")
    for feature, fallback in FALLBACKS.items():
        assert f"| {feature.partition('-')[2]} | {fallback} |" in page, feature


def test_a_feature_without_a_fallback_is_noticed(clients: Support) -> None:
    """An element that uses what a client lacks counts."""
    html = '<p style="display: grid; gap: 2px">x</p><pre>y</pre><video></video>'
    assert without_fallback(html, clients) == ["css-display-grid", "css-gap", "html-video"]


def words(page: Page, html: str) -> list[str]:
    """Return what a reader sees of a mail, apart from the line for the list of mails."""
    page.set_content(html)
    page.evaluate("document.querySelector('.preheader').remove()")
    return page.locator("body").inner_text().split()


@pytest.mark.parametrize("mail", MAILS)
def test_a_reader_sees_the_same_text(looks: Looks, clients: Support, mail: str) -> None:
    """Without what a client lacks, a mail has the same words in the same order."""
    page, html = looks.at(800, 900).page, MAILS[mail]
    whole = words(page, html)
    assert len(whole) > 20
    for client in sorted({name for has in clients.values() for name in has}):
        assert words(page, as_shown(html, client, clients)) == whole, client


def test_the_preview_line_stays_hidden_where_nothing_can_be(clients: Support) -> None:
    """Where `display: none` is ignored, the line is a pixel high, in its background's colour."""
    for html in MAILS.values():
        shown = as_shown(html, "gmail/mobile-webmail", clients)
        line = shown.partition('class="preheader"')[2].partition(">")[0]
        assert "display" not in line
        assert "font-size: 1px" in line
        assert "color: #f2f4f7" in line


def test_outlook_has_no_more_than_word_supports(clients: Support) -> None:
    """The mail for Outlook's picture has no media query, and padding on table cells only."""
    html = as_shown(MAILS["2-failure"], OUTLOOK, clients)
    assert "@media" not in html
    assert 'class="section" style="padding' in html
    links = ParsedMail(mail_of(html)).all("a")
    assert links
    assert not [link for link in links if "padding" in (link.get("style") or "")]
