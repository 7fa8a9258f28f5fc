"""The desk, as an operator uses it on a bad day."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from pyservice.auth import tokens
from tests.browser.conftest import Looks
from tests.builders.desk import Desk, desk

ADA, BOB = "ada@example.com", "bob@example.com"
HOSTILE = ("html-everywhere", "css-everywhere", "html-conditional", "link-quotes", "name-angle")
FITS = """() => {
  const frame = document.querySelector("iframe.mail");
  const { height } = frame.contentDocument.documentElement.getBoundingClientRect();
  return height > 100 && Math.abs(frame.clientHeight - height) <= 1;
}"""
"""Whether the frame is as high as the mail in it."""
UNKNOWN = "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown"


@pytest.fixture(scope="module")
def bad_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A service whose Postfix refuses Bob; one mail is relayed, one bounced, one refused."""
    with desk(tmp_path_factory.mktemp("desk"), rate_limits=("job=3/hour",)) as made:
        relayed = made.post("1-success", "team-a/shop", 1, ADA)
        bounced = made.post("2-failure", "team-a/shop", 2, "former@example.org")
        for report_id in (relayed, bounced):
            made.wait(report_id, "accepted")
        made.receipt(relayed, ADA, "sent", "250 2.0.0 Ok")
        reply = "host mx.example.com[198.51.100.7] said: 550 5.1.1 User unknown"
        made.receipt(bounced, "former@example.org", "bounced", reply)
        made.wait(relayed, "relayed")
        made.wait(bounced, "bounced")
        made.postfix.rcpt[BOB] = UNKNOWN
        made.wait(made.post("2-failure", "team-b/nightly", 7, BOB), "failed")
        yield made


@pytest.fixture
def operator(browser: Browser, bad_day: Desk) -> Iterator[Looks]:
    """Opens the service's pages; afterwards checks that none had an error, and closes all."""
    made = Looks(browser, bad_day.base)
    yield made
    troubles = [trouble for watched in made.opened for trouble in watched.troubles]
    for watched in made.opened:
        watched.page.context.close()
    assert troubles == []


def go(
    looks: Looks, path: str, *, width: int = 1200, scheme: Literal["light", "dark"] = "light"
) -> Page:
    """Open a page that hears of changes, so it is never still."""
    return looks.at(width, 900, scheme, measured=True).open(path, is_live=True)


def test_a_refused_mail_is_understood_mended_and_relayed(operator: Looks, bad_day: Desk) -> None:
    """Found, explained in Postfix' own words, retried, and seen to be relayed without a reload."""
    page = go(operator, "/outbox")
    page.get_by_role("link", name="Not well").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_label("Search").fill("nightly")
    page.get_by_label("Search").press("Enter")
    page.get_by_role("link", name="team-b/nightly #7").click()
    expect(
        page.get_by_role("heading", name="Postfix refused the mail: nobody gets it.")
    ).to_be_visible()
    expect(page.get_by_text("Correct the address in the Jenkinsfile")).to_be_visible()
    expect(page.locator("blockquote")).to_contain_text(UNKNOWN)
    expect(page.locator("ol.dialogue")).to_contain_text("RCPT TO:<bob@example.com>")
    expect(page.frame_locator("iframe").get_by_text("Failed").first).to_be_visible()
    page.wait_for_function(FITS)
    del bad_day.postfix.rcpt[BOB]
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("It is tried again at once.")).to_be_visible()
    status = page.locator("#status > p[role=status]")
    expect(status).to_contain_text("accepted")
    report_id = bad_day.ids["team-b/nightly #7"]
    bad_day.receipt(report_id, BOB, "sent", "250 2.0.0 Ok: queued as 12AB")
    expect(status).to_contain_text("relayed")
    expect(page.get_by_role("cell", name="250 2.0.0 Ok: queued as 12AB")).to_be_visible()
    expect(page.locator(".trouble")).to_have_count(0)


def test_the_list_is_live(operator: Looks, bad_day: Desk) -> None:
    """A mail that comes while somebody looks is there without a reload, and is counted."""
    page = go(operator, "/outbox?q=live")
    expect(page.get_by_text("No mail is like that.")).to_be_visible()
    bad_day.post("2-failure", "live/one", 1, ADA)
    expect(page.get_by_role("link", name="live/one #1")).to_be_visible()
    expect(page.locator("#group-postfix")).to_contain_text("1")


def test_a_job_runs_wild(operator: Looks, bad_day: Desk) -> None:
    """By keyboard alone: what waits is found at the rates, opened and cancelled."""
    for number in range(1, 6):
        bad_day.post("2-failure", "wild/loop", number, ADA)
    page = go(operator, "/outbox")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    rates = page.get_by_role("link", name="Rates and digests")
    for _ in range(12):
        page.keyboard.press("Tab")
        if rates.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("used up")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1200, "height": 900})
    waiting = page.get_by_role("cell", name="wild/loop")
    expect(waiting.first).to_be_visible()
    page.get_by_role("link", name="wild/loop").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The build waits for others")).to_be_visible()
    page.locator("summary", has_text="Cancel it").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel this mail")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is cancelled")).to_be_visible()
    expect(page.get_by_text("A person cancelled the mail.")).to_be_visible()


def test_a_mail_is_sent_again_to_somebody_else(operator: Looks, bad_day: Desk) -> None:
    """The reason why not is on the page, and what was typed stays; then it is a mail of its own."""
    page = go(operator, f"/outbox/{bad_day.ids['team-a/shop #2']}")
    expect(page.get_by_text("There is no mailbox with this address.")).to_be_visible()
    page.locator("summary", has_text="Send again to").click()
    page.get_by_label("Address").fill("nobody@localhost")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was done.")
    expect(page.get_by_label("Address")).to_have_value("nobody@localhost")
    operator.opened[-1].troubles.clear()  # the browser reports the 422
    page.get_by_label("Address").fill("successor@example.org")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("This is a new mail with the same report.")).to_be_visible()
    expect(page.get_by_role("cell", name="successor@example.org")).to_be_visible()
    expect(page.locator("#status > p[role=status]")).to_contain_text("accepted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(
    operator: Looks, bad_day: Desk, scheme: Literal["light", "dark"]
) -> None:
    """axe-core reports no violation in either scheme, and a phone shows the whole width."""
    mails = [bad_day.ids["team-a/shop #1"], bad_day.ids["team-a/shop #2"]]
    paths = ["/outbox", "/outbox?q=nobody-is-like-that", "/outbox/rates", "/doctor"]
    page = go(operator, paths[0], width=390, scheme=scheme)
    for path in (*paths, *(f"/outbox/{report_id}" for report_id in mails)):
        page.goto(bad_day.base + path, wait_until="load")
        results = Axe().run(page, options={"iframes": False})
        assert results.violations_count == 0, (path, results.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_whoever_has_a_link_sees_one_mail(browser: Browser, tmp_path: Path) -> None:
    """The link in a build's log opens without a token, changes nothing, and is for everybody."""
    token = tokens.new(tmp_path / "tokens.toml", "ci")
    with desk(tmp_path, tokens_file=tmp_path / "tokens.toml") as made:
        answer = made.send_sample("2-failure", "team-a/shop", 1, ADA, token=token)
        made.wait(answer["id"], "accepted", token)
        watched = Looks(browser, made.base).at(390, 844, "dark", measured=True)
        page = watched.open(answer["status_url"])
        expect(page.get_by_role("cell", name=ADA)).to_be_visible()
        expect(page.frame_locator("iframe").get_by_text("Failed").first).to_be_visible()
        expect(page.get_by_role("button")).to_have_count(0)
        results = Axe().run(page, options={"iframes": False})
        assert results.violations_count == 0, results.generate_report()
        watched.page.context.close()
    assert watched.troubles == []


def test_the_doctor_examines_on_request(operator: Looks) -> None:
    """Step by step, and the result stays for the next one who looks."""
    page = go(operator, "/doctor")
    expect(page.get_by_text("has not been examined since the service was started")).to_be_visible()
    page.get_by_role("button", name="Examine this node").click()
    expect(page.get_by_role("heading", name="Not checked")).to_be_visible()
    findings = page.locator("section.finding")
    expect(findings.first).to_be_visible()  # this machine's Postfix is a stand-in
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.goto(page.url, wait_until="load")
    expect(page.get_by_role("button", name="Examine again")).to_be_visible()
    expect(findings.first).to_be_visible()


def test_nothing_of_a_build_runs_or_loads(operator: Looks, bad_day: Desk) -> None:
    """Names, subjects and replies full of markup are text on every page of the desk."""
    nasty = '"><img src=http://evil.example/x onerror=alert(1)><script>alert(2)</script>'
    corpus = Path(__file__).parents[1] / "corpus"
    bodies = [json.loads((corpus / f"{name}.json").read_text()) for name in HOSTILE]
    bad_day.postfix.rcpt["eve@example.com"] = f"550 5.7.1 {nasty}"
    ids = [
        str(bad_day.send(body | {"mail": body["mail"] | {"to": [ADA]}})["id"]) for body in bodies
    ]
    ids.append(bad_day.post("2-failure", f"x/{nasty}", 1, "eve@example.com", subject=nasty))
    bad_day.wait(ids[-1], "failed")
    page = go(operator, "/outbox")
    for path in (f"/outbox?q={quote(nasty)}", "/outbox/rates", *(f"/outbox/{one}" for one in ids)):
        page.goto(bad_day.base + path, wait_until="load")
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.locator("blockquote")).to_contain_text("<script>alert(2)</script>")
