"""What the checks of a mail find in its source is what a browser shows."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from pyservice.mail_checks.catalogue import check
from tests.builders.mails import mail_of
from tests.python.mail_checks.test_checks import BAD, GOOD, PAGE

CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
DARK = """<style>
p { color: #999999; }
.quiet { color: #bbbbbb; }
@media (prefers-color-scheme: dark) {
  body, .card { background-color: #222222 !important; color: #dddddd !important; }
  p.quiet { color: #555555 !important; }
  .card .deep { background-color: rgb(100 100 100) !important; }
}
@media (max-width: 480px) { p { color: #ffffff !important; } }
@media print { p { color: #ffffff !important; } }
</style>"""
COLOURED = """<p>grey</p><p class="quiet">lighter</p><p style="color: #767676">just enough</p>
<table role="presentation" class="card" bgcolor="#eeeeee"><tr><td><p style="color: #888">on grey</p>
<span class="deep" style="color: #777777">deep</span></td></tr></table>"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrasts_are_those_of_the_browser(
    browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    """Of a mail with rules, media queries and colours of cells: each text that is too pale."""
    html = PAGE.replace("{head}", DARK).replace("{body}", COLOURED)
    page = browser.new_page(viewport={"width": 800, "height": 600}, color_scheme=scheme)
    page.set_content(html)
    shown = [text for text in page.evaluate(CONTRAST) if text["contrast"] < 4.5]
    page.close()
    expected = sorted({text["contrast"] for text in shown})
    found = [one for one in check(mail_of(html)) if one.check == "contrast" and scheme in one.what]
    pairs = {float(one.what.partition("contrast of ")[2].partition(" ")[0]) for one in found}
    assert len(expected) >= 2
    assert sorted(pairs) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("body", [case[2] for case in BAD if case[0] == "width"])
def test_what_is_too_wide_is_too_wide(browser: Browser, body: str) -> None:
    """A phone with 320 pixels has to scroll sideways."""
    assert _width(browser, body) > 320


@pytest.mark.parametrize("body", [case[1] for case in GOOD if case[0] == "width"])
def test_what_fits_fits(browser: Browser, body: str) -> None:
    """It has not to."""
    assert _width(browser, body) <= 320


def _width(browser: Browser, body: str) -> int:
    page = browser.new_page(viewport={"width": 320, "height": 600})
    page.set_content(PAGE.replace("{head}", "").replace("{body}", body))
    width: int = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    return width
