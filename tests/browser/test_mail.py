"""The mail as its reader sees it, on a desktop and on a phone."""

from typing import Literal

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Route

from pyservice import samples
from pyservice.samples import storms
from tests.browser.conftest import Looks
from tests.builders.patience import PATIENCE

DIGESTS = [f"digest/{name}" for name in storms.names()]
SAMPLES = [*(f"build/{name}" for name in samples.names()), *DIGESTS]
PHONE, DESK = (390, 844), (800, 900)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_runs_off_the_screen(looks: Looks, sample: str, size: tuple[int, int]) -> None:
    """No recorded build's mail, nor a digest, has to be scrolled sideways."""
    page = looks.at(*size, measured=True).open(f"/preview/{sample}?part=html")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "sample", ["build/2-failure", "build/3-unstable", "build/4-fixed", "build/5-aborted", *DIGESTS]
)
def test_everybody_can_read_it(looks: Looks, sample: str, scheme: Literal["light", "dark"]) -> None:
    """axe-core reports no violation, contrast included, in light and in dark."""
    page = looks.at(*PHONE, scheme, measured=True).open(f"/preview/{sample}?part=html")
    # Landmarks are a web page's; a mail is shown inside of one.
    options = {"rules": {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}}
    results = Axe().run(page, options=options)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize(
    ("sample", "texts"),
    [
        (
            "2-failure",
            ("Failed", "Package: src/main/c/ledger.c:118", "amount_cents += ", "2 changes"),
        ),
        (
            "2-compile-error",
            ("Failed", "Build: main.c:2: error:", "return amount_cents;", "by bo touches main.c"),
        ),
        (
            "3-tests-fail",
            (
                "Unstable",
                "totals_are_rounded failed in unit",
                "Round half up",
                "LedgerTest.java:118",
            ),
        ),
        ("12-python-traceback", ("3rd time, since #10", "raw_decode(s", "1 change since #11")),
        ("19-agent-lost", ("Agent lost", "Infrastructure. No change is suspected.")),
        (
            "7-downstream",
            ("shop/deploy #4 failed", "Deploy it", "shop/deploy #4", "Started by user anonymous"),
        ),
    ],
)
def test_the_reason_is_on_the_first_screen(
    looks: Looks, sample: str, texts: tuple[str, ...]
) -> None:
    """On a phone the state, why, the excerpt and the suspect need no scrolling."""
    page = looks.at(*PHONE, measured=True).open(f"/preview/build/{sample}?part=html")
    for text in texts:
        box = page.locator("td").get_by_text(text).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= PHONE[1], text


def test_links_are_large_enough_for_a_thumb(looks: Looks) -> None:
    """The buttons are at least 40 pixels high, and lead to the build."""
    page = looks.at(*PHONE, measured=True).open("/preview/build/2-failure?part=html")
    buttons = page.locator(".button a").all()
    assert len(buttons) == 5
    for button in buttons:
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 40
        link = button.get_attribute("href")
        assert link is not None
        assert link.startswith("https://ci.example.com/job/shop/job/checkout/2/")


LINES = """cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return range.getClientRects().length;
}"""
"""In how many lines the text of a cell stands."""


@pytest.mark.parametrize("width", [375, PHONE[0], 1280])
def test_a_commit_and_usual_names_of_data_stay_in_one_line(
    looks: Looks, base: str, width: int
) -> None:
    """So a phone's reader can copy the hash, and no name breaks within a word."""
    report = samples.load("2-compile-error").model_dump(mode="json", exclude_none=True)
    names = ["target_environment", "releaseCandidate", "W" * 20]
    report["mail"] = {"to": ["ada@example.com"], "data": dict.fromkeys(names, "staging")}
    session = requests.Session()
    session.trust_env = False
    answer = session.post(f"{base}/v1/reports", json=report, timeout=PATIENCE).json()
    page = looks.at(width, 844, measured=True).open(f"{answer['preview_url']}?part=html")
    commit = page.locator(".facts tr", has_text="Commit").locator("td")
    cells = [commit, *(page.locator(".facts th", has_text=name) for name in names)]
    assert [cell.evaluate(LINES) for cell in cells] == [1] * len(cells)
    page.set_viewport_size({"width": 320, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("width", [PHONE[0], 1280], ids=["phone", "desk"])
@pytest.mark.parametrize(
    "name", ["n" * 60, "A long name of several words", "变更" * 30], ids=["word", "words", "CJK"]
)
def test_a_long_name_of_data_leaves_room_for_the_value(
    looks: Looks, base: str, name: str, width: int
) -> None:
    """It is wrapped in its column, and the mail stays as wide as the screen."""
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    report["mail"] = {"to": ["ada@example.com"], "data": {name: "v" * 400}}
    session = requests.Session()
    session.trust_env = False
    answer = session.post(f"{base}/v1/reports", json=report, timeout=PATIENCE).json()
    page = looks.at(width, 844, measured=True).open(f"{answer['preview_url']}?part=html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    label = page.locator(".facts th", has_text=name[:9]).bounding_box()
    started = page.locator(".facts th", has_text="Started").bounding_box()
    assert label is not None
    assert started is not None
    assert label["width"] < 110
    assert started["height"] < 40


def test_a_hostile_build_is_only_text(looks: Looks, base: str) -> None:
    """Scripts, pictures, forms and styles in a report neither run nor load nor show as such."""
    nasty = (
        '"><script>alert(1)</script><img src=http://127.0.0.1:1/x.png onerror=alert(2)>'
        "<form action=http://127.0.0.1:1/><style>body{display:none}</style>{{ 7*7 }}"
    )
    report = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    report["build"] |= {"full_display_name": nasty, "description": nasty, "job": nasty}
    report["error"]["message"] = nasty
    report["log"] = [nasty]
    report["mail"] = {"to": ["ada@example.com"], "subject": nasty, "data": {nasty: nasty}}
    session = requests.Session()
    session.trust_env = False
    answer = session.post(f"{base}/v1/reports", json=report, timeout=PATIENCE).json()
    page = looks.at(*DESK, measured=True).open(f"{answer['preview_url']}?part=html")
    assert page.locator("script, img, form, body style").count() == 0
    assert "<script>alert(1)</script>" in page.locator("body").inner_text()
    assert "{{ 7*7 }}" in page.locator("body").inner_text()
    looks.at(*DESK).open(answer["preview_url"])


def test_the_policy_holds_even_for_a_slip(looks: Looks) -> None:
    """A picture and a script in a mail would neither load nor run."""
    slip = "<img src='http://127.0.0.1:1/x.png'><script>alert(1)</script></body>"
    watched = looks.at(*DESK)

    def with_slip(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</body>", slip))

    watched.page.route("**/preview/**", with_slip)
    watched.open("/preview/build/2-failure?part=html")
    refused = "\n".join(watched.troubles)
    watched.troubles.clear()
    assert "x.png' violates the following Content Security Policy directive" in refused
    assert "Blocked script execution" in refused
