"""links.py: the pages of a build in Jenkins."""

import pytest

from pyservice.analysis.links import links
from tests.builders.parts import change, changes, counts, report, step

URL = "https://ci.example.com/job/shop/44/"


def test_the_pages_of_a_failed_build() -> None:
    """The failing step's log comes first; each page exists only if there is something in it."""
    failed = report(build={"url": URL}, error=step(), tests=counts(), changes=changes(change("a")))
    assert {link.name: link.url.removeprefix(URL) for link in links(failed)} == {
        "log": "execution/node/16/log/",
        "build": "",
        "console": "console",
        "tests": "testReport/",
        "changes": "changes",
        "replay": "replay/",
    }
    passed = report(build={"url": URL.rstrip("/"), "result": "SUCCESS"})
    assert [link.url for link in links(passed)] == [URL, f"{URL}console"]


@pytest.mark.parametrize("node", ["", "../../x", "1/2", "१६", "x", "-1"])
def test_an_id_that_is_no_number(node: str) -> None:
    """It has no page."""
    failed = report(build={"url": URL}, error=step(id=node))
    assert "log" not in {link.name for link in links(failed)}


def test_a_step_without_a_log() -> None:
    """The step `error` prints nothing, so there is no page to look at."""
    failed = report(build={"url": URL}, error=step("error"))
    assert [link.name for link in links(failed)] == ["build", "console", "replay"]


def test_the_build_that_this_one_waited_for() -> None:
    """Its page comes first, in place of the waiting step's log, which says nothing more."""
    failed = report(build={"url": URL}, error=step("build"))
    first, *others = links(failed, "mb/feature%2Flogin #4")
    assert first.label == "mb/feature%2Flogin #4"
    assert first.url == "https://ci.example.com/job/mb/job/feature%252Flogin/4/"
    assert [link.name for link in others] == ["build", "console", "replay"]


@pytest.mark.parametrize("name", ["../x #4", "a//b #4", "deploy", "deploy #४", "deploy #4/x"])
def test_a_downstream_build_without_a_page(name: str) -> None:
    """What is no job's name and number makes no link, and the step's log has its page again."""
    failed = report(build={"url": URL}, error=step("build"))
    assert links(failed, name)[0].name == "log"


@pytest.mark.parametrize("url", [None, "https://ci.example.com/?a=/", "https://ci.example.com/#x"])
def test_no_page_to_begin_with(url: str | None) -> None:
    """There are no links."""
    assert links(report(build={"url": url})) == ()
