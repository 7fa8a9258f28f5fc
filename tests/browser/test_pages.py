"""The pages around the mails, and the API's documentation."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from pyservice import samples
from pyservice.samples import storms
from tests.browser.conftest import Looks


def test_a_template_author_finds_a_mail_and_its_parts(looks: Looks) -> None:
    """From the list to a mail, its widths, its text, headers and source."""
    page = looks.at(1000, 900, measured=True).open("/preview")
    # The frame runs no script, the test's own included: what it was given is looked at instead.
    with page.expect_response("**/2-failure?part=html") as mail:
        page.get_by_role("link", name="2-failure").click()
    assert "Package: script returned exit code 2" in mail.value.text()
    expect(page.get_by_role("heading", name="Failed: shop » checkout #2")).to_be_visible()
    page.get_by_role("link", name="Phone").click()
    box = page.locator("iframe").bounding_box()
    assert box is not None
    assert box["width"] == 390
    shown = {"Text": "FAILED: shop » checkout #2", "Headers": "Auto-Submitted: auto-generated"}
    for link, text in (
        shown | {"Source": "Content-Transfer-Encoding", "HTML alone": "Failed"}
    ).items():
        page.get_by_role("link", name=link).click()
        expect(page.locator("body")).to_contain_text(text)
        page.go_back()
    page.get_by_role("link", name="All mails").click()
    assert page.locator("li").count() == len(samples.names()) + len(storms.names())


@pytest.mark.parametrize("path", ["/preview", "/preview/build/2-failure"])
def test_the_pages_are_for_everybody(looks: Looks, path: str) -> None:
    """axe-core reports no violation, and a phone shows the whole width."""
    page = looks.at(390, 844, measured=True).open(path)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_api_is_documented_without_the_internet(looks: Looks) -> None:
    """/docs lists the routes, and loads from the service alone."""
    page = looks.at(1200, 900).open("/docs")
    expect(page.get_by_role("button", name="POST /v1/reports Report a build")).to_be_visible()
    expect(page.get_by_text(re.compile("Report a build"))).to_be_visible()
