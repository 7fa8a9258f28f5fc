"""The page of a mail's checks, as a template's author uses it."""

import json
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from pyservice.cli.template_folders import write_new
from tests.browser.conftest import Looks, service
from tests.browser.test_pages import check_for_everybody


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_checks_of_a_mail(looks: Looks, width: int, scheme: Literal["light", "dark"]) -> None:
    """Notes open by the keyboard, and the button requests the links, without a new page."""
    page = looks.at(width, 900, scheme, measured=True).open("/checks/build/2-failure")
    expect(page.get_by_text("No errors and no warnings")).to_be_visible()
    notes = page.locator("summary")
    notes.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Outlook (Windows)").first).to_be_visible()
    check_for_everybody(page)
    page.get_by_role("button", name="Request the links").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("0 of 7 links were requested")).to_be_visible()
    expect(page.get_by_role("heading", name="Checks of a mail")).to_be_visible()
    check_for_everybody(page)


def test_the_studio_checks_what_it_shows(browser: Browser, tmp_path: Path) -> None:
    """A new fault appears without a reload, and leads to its line; an edited report mends it."""
    (tmp_path / "templates").mkdir()
    write_new(tmp_path / "templates", "team")
    body = tmp_path / "templates" / "team" / "body.html"
    with service(tmp_path, templates_dir=tmp_path / "templates") as base:
        watched = Looks(browser, base).at(1280, 900)
        page = watched.open("/preview/team/2-failure", is_live=True)
        expect(page.get_by_text("No errors and no warnings")).to_be_visible()
        alt = 'alt="Team Example" '
        only_later = f"{{% if build.number > 2 %}}{alt}{{% endif %}}"
        body.write_text(body.read_text().replace(alt, only_later))
        expect(page.get_by_text("An image has no alternative text")).to_be_visible()
        page.get_by_role("link", name="team/body.html, line 11").click()
        expect(page.locator("#line-team-body-html-11")).to_be_visible()
        page.get_by_text("JSON", exact=True).click()
        text = page.get_by_label("The report as JSON")
        report = json.loads(text.input_value())
        report["build"]["number"] = 3
        text.fill(json.dumps(report))
        expect(page.get_by_text("No errors and no warnings")).to_be_visible()
        page.get_by_role("button", name="Request the links").click()
        expect(page.get_by_text("links were requested")).to_be_visible()
        expect(page.get_by_text("No errors and no warnings")).to_be_visible()
        watched.page.context.close()
    assert watched.troubles == []
