"""The desk behind the real Postfix, as an operator sees it in a browser on another machine."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Looks, chromium
from tests.builders.reports import report_of
from tests.testbed.network import SERVICE, Testbed

ADA = "ada@example.com"


@pytest.fixture
def page(testbed: Testbed) -> Iterator[Page]:
    """The list of mails, in a browser that has logged in, and has no error in the end."""
    testbed.start_service(postfix_log=str(testbed.postfix.log))
    started = testbed.folder / "chromium"
    started.write_text(f'#!/bin/sh\nexec ip netns exec {testbed.container.name} chromium "$@"\n')
    started.chmod(0o755)
    with chromium(started) as browser:
        watched = Looks(browser, SERVICE).at(1280, 900)
        page = watched.open("/outbox")
        page.get_by_label("Token").fill(testbed.token)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Outbox")).to_be_visible()
        yield page
        assert watched.troubles == []


def open_mail(page: Page, testbed: Testbed, sample: str) -> None:
    """Post a build, and open its mail once the list has it, which nobody loads again."""
    report = report_of(sample)
    testbed.post(report | {"mail": {"to": [ADA]}})
    name = f"{report['build']['job']} #{report['build']['number']}"
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("cell", name=ADA)).to_be_visible()
    page.evaluate("window.isSamePage = true")


def test_receipts_appear_while_somebody_looks(page: Page, testbed: Testbed) -> None:
    """Postfix' log says that the relay host defers the mail, why, and that it takes it at last."""
    testbed.relay_answers("451 4.3.0 later")
    open_mail(page, testbed, "2-failure")
    expect(page.locator("#status > p[role=status]")).to_contain_text("deferred")
    row = page.get_by_role("row").filter(has_text=ADA)
    expect(row).to_contain_text("451 4.3.0 later")
    expect(page.get_by_text(f"{ADA} has no mail yet: Postfix tries again.")).to_be_visible()
    testbed.relay_answers(None)
    testbed.postfix.flush()
    expect(page.locator("#status > p[role=status]")).to_contain_text("relayed")
    expect(row).to_contain_text("250 ")
    expect(page.locator(".trouble")).to_have_count(0)
    expect(page.get_by_text("RCPT TO:<ada@example.com>")).to_be_visible()
    assert page.evaluate("window.isSamePage")
    [mail] = testbed.mails()
    assert mail.recipients == [ADA]


def test_a_bounce_says_why_and_what_to_do(page: Page, testbed: Testbed) -> None:
    """In the relay host's own words."""
    testbed.relay_answers("550 5.1.1 no such user", at="rcpt")
    open_mail(page, testbed, "2-failure")
    trouble = page.locator(".trouble")
    expect(trouble).to_contain_text(f"{ADA} gets no mail: it came back.")
    expect(trouble).to_contain_text("Why: There is no mailbox with this address.")
    expect(trouble).to_contain_text("What to do:")
    expect(trouble.locator("blockquote")).to_contain_text("550 5.1.1 no such user")
    expect(page.locator("#status > p[role=status]")).to_contain_text("bounced")
    assert page.evaluate("window.isSamePage")
