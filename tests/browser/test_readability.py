"""Every text of a mail can be read: on any screen, in light and dark, in any script."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from pyservice import samples
from pyservice.mail.renderer import Renderer
from pyservice.samples import storms
from tests.builders.looks import colourful, foreign

RENDERER = Renderer()
MAILS: dict[str, str] = (
    {name: RENDERER.render(samples.load(name)).html for name in samples.names()}
    | {name: RENDERER.render_safely(storms.load_digest(name)).html for name in storms.names()}
    | {
        "colours": RENDERER.render(colourful()).html,
        "foreign": RENDERER.render(foreign()).html,
    }
)
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page for all mails, in light and in dark."""
    scheme: Literal["light", "dark"] = request.param
    opened = browser.new_page(viewport={"width": 800, "height": 900}, color_scheme=scheme)
    yield opened
    opened.close()


@pytest.mark.parametrize("mail", MAILS)
def test_every_text_has_contrast(page: Page, mail: str) -> None:
    """Each text has a contrast of at least 4.5 with what is behind it (WCAG 2.2, 1.4.3)."""
    page.set_content(MAILS[mail])
    texts = page.evaluate(CONTRAST)
    assert len(texts) > 10
    assert [text for text in texts if text["contrast"] < 4.5] == []


@pytest.mark.parametrize("width", [320, 390, 640, 1280])
@pytest.mark.parametrize("mail", MAILS)
def test_no_mail_is_wider_than_the_screen(page: Page, mail: str, width: int) -> None:
    """From 320 pixels to a desktop, nothing has to be scrolled sideways."""
    page.set_viewport_size({"width": width, "height": 844})
    page.set_content(MAILS[mail])
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("mail", MAILS)
def test_a_mail_needs_nothing_but_itself(page: Page, mail: str) -> None:
    """It loads nothing, and has no picture, script or form."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.set_content(MAILS[mail])  # until it has loaded: without a script nothing is asked later
    assert requests == []
    assert page.locator("img, script, form, iframe, link, object, video, svg").count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('[style]')].every(one => !/url\\(/.test(one.style.cssText))"
    )


@pytest.mark.parametrize("mail", MAILS)
def test_a_screen_reader_knows_the_parts(page: Page, mail: str) -> None:
    """One h1 names the state, h2 the parts; a table is for layout, or its headers have a scope."""
    page.set_content(MAILS[mail])
    assert page.locator("h1").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => one.tagName)")
    assert levels[0] == "H1"
    assert set(levels[1:]) <= {"H2"}
    for table in page.locator("table").all():
        if table.get_attribute("role") == "presentation":
            assert table.locator("> tbody > tr > th").count() == 0
        else:
            headers = table.locator("> tbody > tr > th")
            assert headers.count() > 0
            scopes = [header.get_attribute("scope") for header in headers.all()]
            assert set(scopes) <= {"row", "col"}
    assert page.locator("html[lang=en]").count() == 1


def test_texts_from_right_to_left_begin_on_the_right(page: Page) -> None:
    """A name in Arabic is laid out from the right, and a log from the left."""
    page.set_content(MAILS["foreign"])
    title = page.locator(".title")
    assert title.evaluate("one => getComputedStyle(one).direction") == "rtl"
    assert page.locator(".log").evaluate("one => getComputedStyle(one).direction") == "ltr"
