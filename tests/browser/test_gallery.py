"""The gallery, and what people do with real builds, as a person uses them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, expect

from pyservice.samples.stories import STORIES
from pyservice.web.pages.gallery import PAGE
from tests.browser.conftest import Looks, service
from tests.browser.test_pages import check_for_everybody
from tests.controller.recorded import RecordedJenkins


@pytest.fixture(scope="module")
def jenkins() -> Iterator[RecordedJenkins]:
    """A controller that answers what was recorded."""
    made = RecordedJenkins()
    yield made
    made.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, jenkins: RecordedJenkins) -> Iterator[str]:
    """A service that knows this Jenkins, and has a template with a slip."""
    folder: Path = tmp_path_factory.mktemp("gallery")
    (folder / "t" / "release").mkdir(parents=True)
    (folder / "t" / "release" / "body.html").write_text("<p>\n{{ biuld.job }}")
    with (
        pytest.MonkeyPatch.context() as patch,
        service(folder, templates_dir=folder / "t", jenkins_url=jenkins.url) as address,
    ):
        patch.setenv("NO_PROXY", "*")
        yield address


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark"), (320, "light"), (1280, "dark")]
)
def test_a_person_finds_a_mail(looks: Looks, width: int, scheme: Literal["light", "dark"]) -> None:
    """By typing, on any screen, with the keyboard alone; a broken template is marked."""
    watched = looks.at(width, 844, scheme, measured=True)
    with watched.page.expect_response("**/2-compile-error?part=html*") as picture:
        page = watched.open("/preview?template=build", is_live=True)
    assert "main.c:2: error" in picture.value.text()
    count, total = page.get_by_role("status"), 2 * len(STORIES) - 2
    expect(count).to_have_text(f"{len(STORIES) - 2} of {total} mails")
    expect(page.locator(".picture")).to_have_count(PAGE)
    check_for_everybody(page)
    search = page.get_by_role("searchbox", name="Search")
    search.focus()
    page.keyboard.type("flaky")
    expect(count).to_have_text(f"1 of {total} mails")
    expect(page).to_have_url(f"{looks.base}/preview?q=flaky&state=&template=build")
    expect(search).to_be_focused()
    search.fill("")
    page.get_by_label("State").select_option("unstable")
    expect(count).to_have_text(f"3 of {total} mails")
    page.locator("#template").select_option("release")
    alert = page.locator(".alert.is-bad")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text(
        "release/body.html, line 2: 'biuld' is undefined. Is build meant?"
    )
    check_for_everybody(page)
    page.locator("#template").select_option("build")
    expect(page).to_have_url(f"{looks.base}/preview?q=&state=unstable&template=build")
    page.get_by_role("link", name="Unstable: shop » checkout #47").press("Enter")
    page.wait_for_url("**/preview/build/flaky")
    expect(page.get_by_role("heading", name="Unstable: shop » checkout #47")).to_be_visible()


def test_without_scripts(browser: Browser, base: str) -> None:
    """Links, filters and pages are those of HTML."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/preview", wait_until="load")
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    page.get_by_label("Search").fill("timed out")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("status")).to_contain_text("4 of ")
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_a_real_build_is_opened_kept_and_deleted(
    looks: Looks, jenkins: RecordedJenkins, width: int, scheme: Literal["light", "dark"]
) -> None:
    """By its URL; what is no build is explained beside the field. By keyboard alone."""
    watched = looks.at(width, 844, scheme, measured=True)
    page = watched.open("/preview?q=nothing+like+this", is_live=True)
    field = page.get_by_label("A real build or report")
    field.focus()
    page.keyboard.type("https://elsewhere.example.com/job/shop/2/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no build's address below")
    watched.troubles.clear()  # the browser's note of the 404
    expect(field).to_have_value("https://elsewhere.example.com/job/shop/2/")
    check_for_everybody(page)
    field.fill("")
    field.focus()
    page.keyboard.type(f"{jenkins.url}/job/shop/job/checkout/2/console")
    page.keyboard.press("Enter")
    page.wait_for_url("**/preview/build/build:shop/checkout%232")
    expect(page.get_by_role("heading", name="Failed: shop » checkout #2")).to_be_visible()
    page.get_by_label("Send me this").focus()
    page.keyboard.type("me@example.com")
    page.keyboard.press("Enter")
    page.wait_for_url("**/outbox/*")
    expect(page.get_by_role("main")).to_contain_text("me@example.com")
    page.go_back()
    name = f"ledger-{width}"
    page.get_by_label("Keep as your sample").focus()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/preview/build/own:{name}")
    page.goto(f"{looks.base}/preview?state=yours&template=build&q={name}", wait_until="load")
    expect(page.get_by_role("status")).to_contain_text("1 of ")
    check_for_everybody(page)
    page.get_by_role("button", name="Delete").focus()
    questions: list[str] = []

    def accept(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept()

    page.on("dialog", accept)
    page.keyboard.press("Enter")
    page.wait_for_url("**/preview")
    assert questions == ["Delete this sample?"]
    watched.troubles.remove("Delete this sample?")
    page.goto(f"{looks.base}/preview?state=yours&q={name}", wait_until="load")
    expect(page.get_by_role("status")).to_contain_text("0 of ")
