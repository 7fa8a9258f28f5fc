"""The pages around the mails, the first page and the login, and the API's documentation."""

import re
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from pyservice import samples
from pyservice.auth import tokens
from tests.browser.conftest import Looks, Watched, service


def test_the_api_is_documented_without_the_internet(looks: Looks) -> None:
    """/docs lists the routes, and loads from the service alone."""
    page = looks.at(1200, 900).open("/docs")
    expect(page.get_by_role("button", name="POST /v1/reports Report a build")).to_be_visible()
    expect(page.get_by_text(re.compile("Report a build"))).to_be_visible()


def check_for_everybody(page: Page) -> None:
    """axe-core reports no violation, nothing is wider than the screen, and targets are large."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark"), (320, "light"), (1280, "dark")]
)
def test_the_first_page(looks: Looks, width: int, scheme: Literal["light", "dark"]) -> None:
    """It says what works, shows a new report without a reload, and is for everybody."""
    page = looks.at(width, 844, scheme, measured=True).open("/", is_live=True)
    expect(page.get_by_role("heading", name="Something is wrong")).to_be_visible()  # no Postfix
    expect(page.get_by_role("listitem").filter(has_text="Outbox works")).to_be_visible()
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    report["build"]["number"] = number = 7000 + width + len(scheme)
    page.request.post(f"{looks.base}/v1/reports", data=report | {"mail": {"to": ["a@example.com"]}})
    expect(page.get_by_role("link", name=f"shop/checkout #{number}")).to_be_visible()
    check_for_everybody(page)
    page.reload(wait_until="load")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_a_phone_shows_all_ways_in_one_line(looks: Looks) -> None:
    """Whichever page is the current one, and therefore bold."""
    page = looks.at(375, 812).open("/", is_live=True)
    for path in ("/", "/preview?q=none", "/outbox", "/doctor"):
        page.goto(looks.base + path, wait_until="load")
        links = page.get_by_role("navigation", name="Main").get_by_role("link").all()
        tops = [link.evaluate("one => one.getBoundingClientRect().top") for link in links]
        assert len(tops) == 5
        assert len(set(tops)) == 1, path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_login_by_keyboard(
    browser: Browser, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    """A wrong token is explained, a right one leads on, and the button ends the session."""
    file = tmp_path / "tokens"
    token = tokens.new(file, "desk")
    with service(tmp_path, tokens_file=file) as guarded:
        watched = Looks(browser, guarded).at(width, 844, scheme, measured=True)
        use_login(watched, token)
        watched.page.context.close()
    assert watched.troubles == []


def use_login(watched: Watched, token: str) -> None:
    """Log in and out, as a person does."""
    page = watched.open("/?x=1", is_live=True)
    expect(page.get_by_label("Token")).to_be_focused()
    check_for_everybody(page)
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("doesn't know this token")
    watched.troubles.clear()  # the browser's note of a 401
    check_for_everybody(page)
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?x=1")
    expect(page.get_by_role("banner")).to_contain_text("desk")
    # As by a link on another site: the browser shows the login, which finds the session.
    page.goto("data:text/html,<a href='" + watched.base + "/'>here</a>")
    page.get_by_role("link", name="here").click()
    page.wait_for_url(watched.base + "/")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto(watched.base + "/")
    expect(page.get_by_label("Token")).to_be_visible()
